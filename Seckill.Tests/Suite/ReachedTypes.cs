using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Emit;

namespace Seckill.Tests.Suite;

/// <summary>The types that a type's code can reach: all types that it names and, recursively, all types that our own types name.</summary>
internal static class ReachedTypes
{
    private const BindingFlags Everything = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> OpCodesByValue = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value);

    /// <param name="start">Where to begin.</param>
    /// <param name="follow">Types whose code is followed.</param>
    public static HashSet<Type> From(Type start, Func<Type, bool> follow)
    {
        var reached = new HashSet<Type>();
        var open = new Stack<Type>([start]);
        while (open.TryPop(out var type))
        {
            if (reached.Add(type) && follow(type))
            {
                foreach (var named in NamedBy(type).SelectMany(Parts))
                {
                    open.Push(named);
                }
            }
        }

        return reached;
    }

    private static IEnumerable<Type> NamedBy(Type type)
    {
        foreach (var nested in type.GetNestedTypes(Everything))
        {
            yield return nested;
        }

        if (type.BaseType is { } parent)
        {
            yield return parent;
        }

        foreach (var named in type.GetFields(Everything).SelectMany(field => WhereAllIsHere(() => [field.FieldType])))
        {
            yield return named;
        }

        foreach (var method in type.GetMethods(Everything).Concat<MethodBase>(type.GetConstructors(Everything)))
        {
            foreach (var named in WhereAllIsHere(() =>
                [.. method.GetParameters().Select(parameter => parameter.ParameterType), .. NamedIn(type, method)]))
            {
                yield return named;
            }
        }
    }

    /// <summary>Code that needs a package missing from the tests cannot run in a test, so it reaches nothing.</summary>
    private static IReadOnlyList<Type> WhereAllIsHere(Func<IReadOnlyList<Type>> read)
    {
        try
        {
            return read();
        }
        catch (FileNotFoundException)
        {
            return [];
        }
    }

    private static IEnumerable<Type> NamedIn(Type type, MethodBase method)
    {
        var il = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        for (var at = 0; at < il.Length;)
        {
            var code = OpCodesByValue[il[at] == 0xFE ? (short)(0xFE00 | il[at + 1]) : il[at]];
            at += code.Size;
            if (code.OperandType is OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok)
            {
                var token = BinaryPrimitives.ReadInt32LittleEndian(il.AsSpan(at));
                var member = type.Module.ResolveMember(
                    token, type.IsGenericType ? type.GetGenericArguments() : null,
                    method.IsGenericMethod ? method.GetGenericArguments() : null);
                foreach (var named in member switch
                {
                    Type itself => [itself],
                    MethodInfo { IsGenericMethod: true } generic => [generic.DeclaringType!, .. generic.GetGenericArguments()],
                    { DeclaringType: { } declaring } => [declaring],
                    _ => Type.EmptyTypes,
                })
                {
                    yield return named;
                }
            }

            at += OperandSize(code, il, at);
        }
    }

    private static int OperandSize(OpCode code, byte[] il, int at) => code.OperandType switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + (4 * BinaryPrimitives.ReadInt32LittleEndian(il.AsSpan(at))),
        _ => 4,
    };

    /// <summary>A list of arrays of T names all three.</summary>
    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsGenericParameter ? []
        : type.IsConstructedGenericType ? [type.GetGenericTypeDefinition(), .. type.GetGenericArguments().SelectMany(Parts)]
        : [type];
}
