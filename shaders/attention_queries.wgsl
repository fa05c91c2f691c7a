// The gradient of causal attention's queries. With P the weights, made again from the scores S and the logarithms
// that the forward kept, and ∂ the gradient of the output: ∂S = P·(∂·Vᵀ − δ), ∂Q = ∂S·K·scale, where δ is
// Σ ∂·output of every row, which is left for the keys.
//
// Bindings: queries, keys and values side by side, `[batch, context, 3·width]`; the forward's output and its
// gradient, `[batch, context, width]`; logarithms and δ, `[batch, heads, context]`; the gradient of the first, of
// which the queries' part is written; and sizes: the context, the number of heads, and the scale as bits of f32.
// A head has {{FOURS}} fours.
//
// A lane computes {{ROWS}} queries of a head.
@group(0) @binding(0) var<storage, read_write> projected: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> mixed: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> logarithms: array<f32>;
@group(0) @binding(4) var<storage, read_write> deltas: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> sizes: array<u32>;

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
    let logarithm{{r}} = logarithms[group.y * context + row{{r}}];
    var delta{{r}} = 0.0;
#for f in 0..FOURS
    let query{{r}}_{{f}} = projected[(first + row{{r}}) * line + head + {{f}}u] * scale;
    let gradient{{r}}_{{f}} = gradient[(first + row{{r}}) * width + head + {{f}}u];
    delta{{r}} += dot(gradient{{r}}_{{f}}, mixed[(first + row{{r}}) * width + head + {{f}}u]);
    var sum{{r}}_{{f}} = vec4<f32>();
#end
#end
    for (var key = 0u; key <= row{{ROWS - 1}}; key++) {
        let at = (first + key) * line + head;
#for f in 0..FOURS
        let key{{f}} = projected[at + width + {{f}}u];
        let value{{f}} = projected[at + 2u * width + {{f}}u];
#end
#for r in 0..ROWS
        {
            var score = 0.0;
            var of_weight = 0.0;
#for f in 0..FOURS
            score += dot(query{{r}}_{{f}}, key{{f}});
            of_weight += dot(gradient{{r}}_{{f}}, value{{f}});
#end
            let weight = select(0.0, exp(min(score - logarithm{{r}}, 0.0)), key <= row{{r}});
            let of_score = vec4(weight * (of_weight - delta{{r}}));
#for f in 0..FOURS
            sum{{r}}_{{f}} = fma(of_score, key{{f}}, sum{{r}}_{{f}});
#end
        }
#end
    }
#for r in 0..ROWS
    if row + {{r}}u < context {
        deltas[group.y * context + row{{r}}] = delta{{r}};
#for f in 0..FOURS
        output[(first + row{{r}}) * line + head + {{f}}u] = sum{{r}}_{{f}} * scale;
#end
    }
#end
}
