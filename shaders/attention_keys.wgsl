// The gradients of causal attention's keys and values. With P the weights, made again from the scores and the
// logarithms that the forward kept, and ∂ the gradient of the output: ∂V = Pᵀ·∂, ∂S = P·(∂·Vᵀ − δ),
// ∂K = ∂Sᵀ·Q·scale, where δ is what the queries' kernel has left.
//
// Bindings: queries, keys and values side by side, `[batch, context, 3·width]`; the gradient of the forward's
// output, `[batch, context, width]`; logarithms and δ, `[batch, heads, context]`; the gradient of the first, of
// which the parts of keys and values are written; and sizes: the context, the number of heads, and the scale as
// bits of f32. A head has {{FOURS}} fours.
//
// A lane computes {{ROWS}} keys of a head and their values.
@group(0) @binding(0) var<storage, read_write> projected: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> logarithms: array<f32>;
@group(0) @binding(3) var<storage, read_write> deltas: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> sizes: array<u32>;

@compute @workgroup_size({{LANES}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let context = sizes[0];
    let heads = sizes[1];
    let scale = bitcast<f32>(sizes[2]);
    let width = heads * {{FOURS}}u;
    let line = 3u * width;
    let row = (group.x * {{LANES}}u + local.x) * {{ROWS}}u;
    if row >= context {
        return;
    }
    let head = (group.y % heads) * {{FOURS}}u;
    let first = group.y / heads * context;
#for r in 0..ROWS
    let row{{r}} = min(row + {{r}}u, context - 1u);
#for f in 0..FOURS
    let key{{r}}_{{f}} = projected[(first + row{{r}}) * line + head + width + {{f}}u] * scale;
    let value{{r}}_{{f}} = projected[(first + row{{r}}) * line + head + 2u * width + {{f}}u];
    var of_key{{r}}_{{f}} = vec4<f32>();
    var of_value{{r}}_{{f}} = vec4<f32>();
#end
#end
    // A key and its value are seen by their own row and those below.
    for (var below = row; below < context; below++) {
#for f in 0..FOURS
        let query{{f}} = projected[(first + below) * line + head + {{f}}u];
        let gradient{{f}} = gradient[(first + below) * width + head + {{f}}u];
#end
        let logarithm = logarithms[group.y * context + below];
        let delta = deltas[group.y * context + below];
#for r in 0..ROWS
        {
            var score = 0.0;
            var of_weight = 0.0;
#for f in 0..FOURS
            score += dot(query{{f}}, key{{r}}_{{f}});
            of_weight += dot(gradient{{f}}, value{{r}}_{{f}});
#end
            let weight = select(0.0, exp(min(score - logarithm, 0.0)), row{{r}} <= below);
            let of_score = vec4(weight * (of_weight - delta));
#for f in 0..FOURS
            of_value{{r}}_{{f}} = fma(vec4(weight), gradient{{f}}, of_value{{r}}_{{f}});
            of_key{{r}}_{{f}} = fma(of_score, query{{f}}, of_key{{r}}_{{f}});
#end
        }
#end
    }
#for r in 0..ROWS
    if row + {{r}}u < context {
#for f in 0..FOURS
        output[(first + row{{r}}) * line + head + width + {{f}}u] = of_key{{r}}_{{f}} * scale;
        output[(first + row{{r}}) * line + head + 2u * width + {{f}}u] = of_value{{r}}_{{f}};
#end
    }
#end
}
