using System.Globalization;

namespace Seckill.Tests.Fixtures;

/// <summary>
/// What random cases begin with. The same in each run, so that a run answers for the code alone; <c>SECKILL_TEST_SEED</c> names another,
/// and <c>random</c> takes one by chance, which the test prints.
/// </summary>
internal static class TestSeed
{
    private const string Variable = "SECKILL_TEST_SEED";

    public static int Take(int usual)
    {
        var wanted = Environment.GetEnvironmentVariable(Variable);
        var seed = wanted == "random" ? Random.Shared.Next()
            : int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var named) ? named
            : usual;
        TestContext.Current.TestOutputHelper?.WriteLine($"{Variable}={seed}");
        return seed;
    }
}
