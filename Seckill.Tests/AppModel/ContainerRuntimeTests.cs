using Microsoft.Extensions.Configuration;
using Seckill.AppHost.Servers;

namespace Seckill.Tests.AppModel;

/// <summary>
/// The container runtime that a run asks. The programs <c>true</c> and <c>false</c> stand for one that answers and one that does not.
/// </summary>
public sealed class ContainerRuntimeTests
{
    [Theory]
    [InlineData("true", "false", true)]
    [InlineData("false", "true", false)]
    [InlineData("", "true", true)]
    [InlineData(null, "false", false)]
    [InlineData("no-such-runtime", "true", false)]
    public void Both_of_Aspires_settings_are_read_in_its_order(string? setting, string? olderSetting, bool answers)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ASPIRE_CONTAINER_RUNTIME"] = setting,
            ["DOTNET_ASPIRE_CONTAINER_RUNTIME"] = olderSetting,
        }).Build();

        Assert.Equal(answers, ContainerRuntime.Answers(configuration));
    }
}
