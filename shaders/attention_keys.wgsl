// The gradients of causal attention's keys and values. With P the weights, made again from the scores and the
// logarithms that the forward kept, and ∂ the gradient of the output: ∂V = Pᵀ·∂, ∂S = P·(∂·Vᵀ − δ),
// ∂K = ∂Sᵀ·Q·scale, where δ is what the queries' kernel has left.
//
// Bindings: queries, keys and values as in the forward, one tensor or of a slice two; the gradient of the forward's
// output, `[batch, positions, width]`; logarithms and δ, `[batch, heads, positions]`; the gradient of the tensor with
// keys and values, of which their parts are written; and sizes as in the forward. A head has {{FOURS}} fours.
//
// A lane computes {{ROWS}} keys of a head and their values.
#if SLICE
@group(0) @binding(0) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> seen: array<vec4<f32>>;
#else
@group(0) @binding(0) var<storage, read_write> projected: array<vec4<f32>>;
#end
@group(0) @binding({{1 + SLICE}}) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding({{2 + SLICE}}) var<storage, read_write> logarithms: array<f32>;
@group(0) @binding({{3 + SLICE}}) var<storage, read_write> deltas: array<f32>;
@group(0) @binding({{4 + SLICE}}) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding({{5 + SLICE}}) var<storage, read> sizes: array<u32>;

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
    if row >= all {
        return;
    }
    let head = (group.y % heads) * {{FOURS}}u;
    let first = group.y / heads * positions;
    let first_seen = group.y / heads * all;
#for r in 0..ROWS
    let row{{r}} = min(row + {{r}}u, all - 1u);
    let at{{r}} = (first_seen + row{{r}}) * seen_line + keys + head;
#for f in 0..FOURS
    let key{{r}}_{{f}} = {{SEEN}}[at{{r}} + {{f}}u] * scale;
    let value{{r}}_{{f}} = {{SEEN}}[at{{r}} + width + {{f}}u];
    var of_key{{r}}_{{f}} = vec4<f32>();
    var of_value{{r}}_{{f}} = vec4<f32>();
#end
#end
    // A key and its value are seen by their own row and those below.
    for (var below = max(row, before) - before; below < positions; below++) {
#for f in 0..FOURS
        let query{{f}} = {{QUERIES}}[(first + below) * line + head + {{f}}u];
        let gradient{{f}} = gradient[(first + below) * width + head + {{f}}u];
#end
        let logarithm = logarithms[group.y * positions + below];
        let delta = deltas[group.y * positions + below];
#for r in 0..ROWS
        {
            var score = 0.0;
            var of_weight = 0.0;
#for f in 0..FOURS
            score += dot(query{{f}}, key{{r}}_{{f}});
            of_weight += dot(gradient{{f}}, value{{r}}_{{f}});
#end
            let weight = select(0.0, exp(min(score - logarithm, 0.0)), row{{r}} <= before + below);
            let of_score = vec4(weight * (of_weight - delta));
#for f in 0..FOURS
            of_value{{r}}_{{f}} = fma(vec4(weight), gradient{{f}}, of_value{{r}}_{{f}});
            of_key{{r}}_{{f}} = fma(of_score, query{{f}}, of_key{{r}}_{{f}});
#end
        }
#end
    }
#for r in 0..ROWS
    if row + {{r}}u < all {
#for f in 0..FOURS
        output[at{{r}} + {{f}}u] = of_key{{r}}_{{f}} * scale;
        output[at{{r}} + width + {{f}}u] = of_value{{r}}_{{f}};
#end
    }
#end
}
