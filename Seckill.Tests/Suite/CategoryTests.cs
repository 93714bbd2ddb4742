using System.Reflection;

namespace Seckill.Tests.Suite;

/// <summary>
/// <c>./seckill test quick</c> runs the tests marked Quick, <c>./seckill test</c> those not marked Long: the marks must be correct.
/// Servers, browsers and processes are started through one of the libraries below.
/// </summary>
[Trait("Category", Quick)]
public sealed class CategoryTests
{
    private const string Quick = "Quick";
    private const string Long = "Long";

    private static readonly string[] Starters =
        ["Seckill.AppHost", "Microsoft.Playwright", "BenchmarkDotNet", "Aspire.Hosting", "System.Diagnostics.Process"];

    private static readonly string[] Own = ["Seckill.Tests", "Seckill.Bench", "Seckill.LocalServers"];

    private static IEnumerable<Type> TestClasses =>
        typeof(CategoryTests).Assembly.GetTypes().Where(type => !type.IsAbstract && TestsOf(type).Any());

    [Fact]
    public void Quick_tests_reach_no_server_no_browser_and_no_process()
    {
        var wrong = TestClasses
            .Select(type => (type.FullName, Marked: IsMarked(type, Quick), Reached: StartedBy(type)))
            .Where(test => test.Marked != (test.Reached is null))
            .Select(test =>
                $"{test.FullName} is {(test.Marked ? "" : "not ")}marked {Quick}, and reaches "
                    + $"{test.Reached ?? "nothing that takes long to start"}");
        Assert.Equal([], wrong);
    }

    [Fact]
    public void Quick_classes_are_in_no_collection_whose_fixture_would_be_started_for_them() =>
        Assert.Equal(
            [],
            TestClasses.Where(type => IsMarked(type, Quick) && type.IsDefined(typeof(CollectionAttribute))).Select(type => type.FullName));

    /// <summary>
    /// Explicit, so that a plain <c>dotnet test</c> leaves them out as <c>./seckill test</c> does; marked, so that they can be run alone.
    /// </summary>
    [Fact]
    public void Long_tests_are_explicit_and_explicit_tests_are_long()
    {
        var wrong = TestClasses.SelectMany(type => TestsOf(type)
            .Where(test => test.GetCustomAttribute<FactAttribute>()!.Explicit != (IsMarked(test, Long) || IsMarked(type, Long)))
            .Select(test => $"{type.FullName}.{test.Name}"));
        Assert.Equal([], wrong);
    }

    private static IEnumerable<MethodInfo> TestsOf(Type type) =>
        type.GetMethods().Where(method => method.IsDefined(typeof(FactAttribute), inherit: true));

    private static bool IsMarked(MemberInfo member, string category) =>
        member.GetCustomAttributes<TraitAttribute>(inherit: true).Any(trait => (trait.Name, trait.Value) == ("Category", category));

    private static string? StartedBy(Type type) => ReachedTypes
        .From(type, reached => Own.Contains(reached.Assembly.GetName().Name))
        .FirstOrDefault(reached => Starters.Any(starter => AssemblyOf(reached).StartsWith(starter, StringComparison.Ordinal)))?.FullName;

    private static string AssemblyOf(Type type) => type.Assembly.GetName().Name ?? "";
}
