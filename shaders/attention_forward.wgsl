// Causal attention of all heads (Vaswani et al., arXiv 1706.03762, §3.2.1), without a matrix of scores: the softmax
// goes along with the keys (Milakov and Gimelshein, arXiv 1805.02867).
//
// Bindings: queries, keys and values side by side, `[batch, positions, 3·width]`, or of a slice of a context queries,
// `[batch, positions, width]`, and keys and values side by side of these and of the positions before,
// `[batch, all, 2·width]`; the mixed values, `[batch, positions, width]`; the logarithm of every softmax's denominator,
// `[batch, heads, positions]`; and sizes: the positions, the number of heads, the scale as bits of f32, and the
// positions before. A head has {{FOURS}} fours.
//
// A lane computes {{ROWS}} queries of a head; it takes keys by {{KEYS}}.
#if SLICE
@group(0) @binding(0) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> seen: array<vec4<f32>>;
#else
@group(0) @binding(0) var<storage, read_write> projected: array<vec4<f32>>;
#end
@group(0) @binding({{1 + SLICE}}) var<storage, read_write> mixed: array<vec4<f32>>;
@group(0) @binding({{2 + SLICE}}) var<storage, read_write> logarithms: array<f32>;
@group(0) @binding({{3 + SLICE}}) var<storage, read> sizes: array<u32>;

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
    // The sequence and the head of this lane.
    let sequence = group.y / heads;
    let head = (group.y % heads) * {{FOURS}}u;
    let first = sequence * positions;
    let first_seen = sequence * all;
#for r in 0..ROWS
    let row{{r}} = min(row + {{r}}u, positions - 1u);
    let last{{r}} = before + row{{r}};
    var largest{{r}} = -3.0e38;
    var sum{{r}} = 0.0;
#for f in 0..FOURS
    let query{{r}}_{{f}} = {{QUERIES}}[(first + row{{r}}) * line + head + {{f}}u] * scale;
    var value{{r}}_{{f}} = vec4<f32>();
#end
#end
    for (var key = 0u; key <= last{{ROWS - 1}}; key += {{KEYS}}u) {
#for k in 0..KEYS
        let at{{k}} = (first_seen + min(key + {{k}}u, all - 1u)) * seen_line + keys + head;
#for r in 0..ROWS
        var score{{r}}_{{k}} = 0.0;
#end
#for f in 0..FOURS
        {
            let part = {{SEEN}}[at{{k}} + {{f}}u];
#for r in 0..ROWS
            score{{r}}_{{k}} += dot(query{{r}}_{{f}}, part);
#end
        }
#end
#end
#for r in 0..ROWS
        // The future does not count; the first of these keys is seen by every row but the first rows of a lane.
        var most{{r}} = largest{{r}};
#for k in 0..KEYS
        score{{r}}_{{k}} = select(-3.0e38, score{{r}}_{{k}}, key + {{k}}u <= last{{r}});
        most{{r}} = max(most{{r}}, score{{r}}_{{k}});
#end
        let shrink{{r}} = exp(largest{{r}} - most{{r}});
        largest{{r}} = most{{r}};
        sum{{r}} *= shrink{{r}};
#for k in 0..KEYS
        let weight{{r}}_{{k}} = select(0.0, exp(score{{r}}_{{k}} - most{{r}}), key + {{k}}u <= last{{r}});
        sum{{r}} += weight{{r}}_{{k}};
#end
#end
#for f in 0..FOURS
        {
#for r in 0..ROWS
            var mix{{r}} = value{{r}}_{{f}} * shrink{{r}};
#end
#for k in 0..KEYS
            let part{{k}} = {{SEEN}}[at{{k}} + width + {{f}}u];
#for r in 0..ROWS
            mix{{r}} = fma(vec4(weight{{r}}_{{k}}), part{{k}}, mix{{r}});
#end
#end
#for r in 0..ROWS
            value{{r}}_{{f}} = mix{{r}};
#end
        }
#end
    }
#for r in 0..ROWS
    if row + {{r}}u < positions {
        let inverse = 1.0 / sum{{r}};
#for f in 0..FOURS
        mixed[(first + row{{r}}) * width + head + {{f}}u] = value{{r}}_{{f}} * inverse;
#end
        logarithms[group.y * positions + row{{r}}] = largest{{r}} + log(sum{{r}});
    }
#end
}
