// The squared norms of {{TENSORS}} tensors in parts: every lane's sum of squares.
//
// Bindings: the tensors; output, `[tensors, parts]`; and sizes: of each tensor its line of the output and the number
// of its elements, or of fours of them where WIDE. A tensor has {{GROUPS}} workgroups.
alias Element = {{ELEMENT}};
#for i in 0..TENSORS
@group(0) @binding({{i}}) var<storage, read_write> tensor{{i}}: array<Element>;
#end
@group(0) @binding({{TENSORS}}) var<storage, read_write> output: array<f32>;
@group(0) @binding({{TENSORS + 1}}) var<storage, read> sizes: array<u32>;

@compute @workgroup_size({{LANES}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let part = group.x * {{LANES}}u + local.x;
    let line = sizes[2u * group.y];
    let count = sizes[2u * group.y + 1u];
    var squares = Element();
#for i in 0..TENSORS
    if group.y == {{i}}u {
        for (var at = part; at < count; at += {{GROUPS * LANES}}u) {
            let value = tensor{{i}}[at];
            squares += value * value;
        }
    }
#end
#if WIDE
    output[line * {{GROUPS * LANES}}u + part] = dot(squares, Element(1.0));
#else
    output[line * {{GROUPS * LANES}}u + part] = squares;
#end
}
