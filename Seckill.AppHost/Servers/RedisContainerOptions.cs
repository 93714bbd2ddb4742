namespace Seckill.AppHost.Servers;

internal static class RedisContainerOptions
{
    /// <summary>
    /// Appends options to the server's command line. The container runs <c>/bin/sh</c>; in a run Aspire joins all arguments into
    /// one shell command, but when publishing it has joined them already and a further argument would go to the shell, which
    /// ignores it: there the options go into the command itself.
    /// </summary>
    public static IResourceBuilder<RedisResource> WithServerOptions(this IResourceBuilder<RedisResource> redis, params string[] options) =>
        redis.WithArgs(context =>
        {
            if (context.ExecutionContext.IsRunMode)
            {
                foreach (var word in options.SelectMany(option => option.Split(' ')))
                {
                    context.Args.Add(word);
                }

                return;
            }

            if (context.Args is not ["-c", string command])
            {
                throw new DistributedApplicationException("Redis' published command line is not the expected `sh -c <command>`.");
            }

            context.Args[1] = string.Join(' ', [command, .. options]);
        });
}
