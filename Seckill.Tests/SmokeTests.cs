namespace Seckill.Tests;

public sealed class SmokeTests
{
    [Fact]
    public void Assemblies_are_found() => Assert.NotNull(typeof(SmokeTests).Assembly.Location);
}
