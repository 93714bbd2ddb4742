using Seckill.AppHost.Local;

// The distributed application without Aspire: the same applications on private servers of this machine.
return await LocalAppHost.RunAsync(args);
