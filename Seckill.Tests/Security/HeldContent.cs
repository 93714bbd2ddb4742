using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Seckill.Tests.Security;

/// <summary>A body whose end does not come until it is released.</summary>
internal sealed class HeldContent : HttpContent
{
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte[] _body;

    public HeldContent(string json)
    {
        _body = Encoding.UTF8.GetBytes(json);
        Headers.ContentType = new MediaTypeHeaderValue("application/json");
    }

    public void Release() => _released.TrySetResult();

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        await stream.WriteAsync(_body.AsMemory(0, 1));
        await stream.FlushAsync();
        await _released.Task;
        await stream.WriteAsync(_body.AsMemory(1));
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _body.Length;
        return true;
    }
}
