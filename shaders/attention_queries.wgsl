// The gradient of causal attention's queries. With P the weights, made again from the scores S and the logarithms
// that the forward kept, and ∂ the gradient of the output: ∂S = P·(∂·Vᵀ − δ), ∂Q = ∂S·K·scale, where δ is
// Σ ∂·output of every row, which is left for the keys.
//
// Bindings: queries, keys and values as in the forward, one tensor or of a slice two; the forward's output and its
// gradient, `[batch, positions, width]`; logarithms and δ, `[batch, heads, positions]`; the gradient of the first, of
// which the queries' part is written; and sizes as in the forward. A head has {{FOURS}} fours.
//
// A lane computes {{ROWS}} queries of a head.
#if SLICE
@group(0) @binding(0) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> seen: array<vec4<f32>>;
#else
@group(0) @binding(0) var<storage, read_write> projected: array<vec4<f32>>;
#end
@group(0) @binding({{1 + SLICE}}) var<storage, read_write> mixed: array<vec4<f32>>;
@group(0) @binding({{2 + SLICE}}) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding({{3 + SLICE}}) var<storage, read_write> logarithms: array<f32>;
@group(0) @binding({{4 + SLICE}}) var<storage, read_write> deltas: array<f32>;
@group(0) @binding({{5 + SLICE}}) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding({{6 + SLICE}}) var<storage, read> sizes: array<u32>;

@compute @workgroup_size({{LANES}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let positions = sizes[0];
    let heads = sizes[1];
    let scale = bitcast<f32>(sizes[2]);
    let before = sizes[3];
    let all = before + positions;
    let width = heads * {{FOURS}}u;
#if SLICE
    let line = width;
    let seen_line = 2u * width;
    let keys = 0u;
#else
    let line = 3u * width;
    let seen_line = line;
    let keys = width;
#end
    let row = (group.x * {{LANES}}u + local.x) * {{ROWS}}u;
    if row >= positions {
        return;
    }
    let head = (group.y % heads) * {{FOURS}}u;
    let first = group.y / heads * positions;
    let first_seen = group.y / heads * all;
#for r in 0..ROWS
    let row{{r}} = min(row + {{r}}u, positions - 1u);
    let last{{r}} = before + row{{r}};
    let logarithm{{r}} = logarithms[group.y * positions + row{{r}}];
    var delta{{r}} = 0.0;
#for f in 0..FOURS
    let query{{r}}_{{f}} = {{QUERIES}}[(first + row{{r}}) * line + head + {{f}}u] * scale;
    let gradient{{r}}_{{f}} = gradient[(first + row{{r}}) * width + head + {{f}}u];
    delta{{r}} += dot(gradient{{r}}_{{f}}, mixed[(first + row{{r}}) * width + head + {{f}}u]);
    var sum{{r}}_{{f}} = vec4<f32>();
#end
#end
    for (var key = 0u; key <= last{{ROWS - 1}}; key++) {
        let at = (first_seen + key) * seen_line + keys + head;
#for f in 0..FOURS
        let key{{f}} = {{SEEN}}[at + {{f}}u];
        let value{{f}} = {{SEEN}}[at + width + {{f}}u];
#end
#for r in 0..ROWS
        {
            var score = 0.0;
            var of_weight = 0.0;
#for f in 0..FOURS
            score += dot(query{{r}}_{{f}}, key{{f}});
            of_weight += dot(gradient{{r}}_{{f}}, value{{f}});
#end
            let weight = select(0.0, exp(min(score - logarithm{{r}}, 0.0)), key <= last{{r}});
            let of_score = vec4(weight * (of_weight - delta{{r}}));
#for f in 0..FOURS
            sum{{r}}_{{f}} = fma(of_score, key{{f}}, sum{{r}}_{{f}});
#end
        }
#end
    }
#for r in 0..ROWS
    if row + {{r}}u < positions {
        deltas[group.y * positions + row{{r}}] = delta{{r}};
#for f in 0..FOURS
        output[(first + row{{r}}) * line + head + {{f}}u] = sum{{r}}_{{f}} * scale;
#end
    }
#end
}
