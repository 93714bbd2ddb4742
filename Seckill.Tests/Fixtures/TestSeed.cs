using System.Globalization;

namespace Seckill.Tests.Fixtures;

/// <summary>
/// The seed of random cases. It is the same in each run, so that a failure comes from the code alone. <c>SECKILL_TEST_SEED</c> sets
/// another seed; <c>random</c> draws one, which the test prints.
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
