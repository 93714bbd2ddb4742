using Aspire.Hosting.ApplicationModel;
using Seckill.AppHost.Running;

namespace Seckill.Tests.AppModel;

/// <summary>The ordered stop of the applications, with reported states instead of processes.</summary>
public sealed class ServicesStopTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_service_has_ended_when_all_of_its_instances_have()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token, "--Api:Replicas=2");
        var api = (ProjectResource)appHost["api"];
        await SayAsync("api-one", KnownResourceStates.Running);
        await SayAsync("api-two", KnownResourceStates.Exited);

        var running = new Dictionary<string, CustomResourceSnapshot>();
        var ended = ServicesStop.WaitUntilEndedAsync(appHost.Notifications, api, running, Token);

        // The last states are read before the first wait.
        Assert.False(ended.IsCompleted);
        Assert.Equal(["api-one"], running.Keys);
        await SayAsync("api-one", KnownResourceStates.Finished);
        await ended.WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), Token);

        Task SayAsync(string instance, string state) =>
            appHost.Notifications.PublishUpdateAsync(api, instance, snapshot => snapshot with { State = state });
    }
}
