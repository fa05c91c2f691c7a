// A product of two matrices, `left · right`, with what it starts from: nothing, a bias a column, or what
// the output holds (gradients are added to their sums).
//
// A lane computes a tile of {{ROWS}} rows and {{COLUMNS}} times 4 columns in its registers: where memory is slow
// for every lane, as on software adapters, what counts is how often an element that was read is used.
// With subgroups the lanes of one share what they read of `left`.
//
// Bindings: left, right, output, (bias,) sizes. Left is `[rows, steps]`, or with LEFT_TURNED
// `[steps, rows]`; right is `[steps, columns]`, or with RIGHT_TURNED `[columns, steps]`. A matrix whose
// lines are a multiple of 4 elements is read by fours (LEFT_WIDE, RIGHT_WIDE, OUTPUT_WIDE); sizes are not 0.
alias Left = {{LEFT}};
alias Right = {{RIGHT}};
alias Output = {{OUTPUT}};
@group(0) @binding(0) var<storage, read_write> left: array<Left>;
@group(0) @binding(1) var<storage, read_write> right: array<Right>;
@group(0) @binding(2) var<storage, read_write> output: array<Output>;
#if BIAS
@group(0) @binding(3) var<storage, read_write> bias: array<Output>;
@group(0) @binding(4) var<storage, read> sizes: array<u32>;
#else
@group(0) @binding(3) var<storage, read> sizes: array<u32>;
#end

// Four elements of a line of `left`.
fn left_four(line: u32, four: u32, width: u32) -> vec4<f32> {
#if LEFT_WIDE
    return left[line * (width / 4u) + four];
#else
    let at = line * width;
    let first = four * 4u;
    let last = width - 1u;
    return vec4(
        left[at + min(first, last)],
        select(0.0, left[at + min(first + 1u, last)], first + 1u < width),
        select(0.0, left[at + min(first + 2u, last)], first + 2u < width),
        select(0.0, left[at + min(first + 3u, last)], first + 3u < width),
    );
#end
}

// Four elements of a line of `right`; beyond its end the last again.
fn right_four(line: u32, four: u32, width: u32) -> vec4<f32> {
#if RIGHT_WIDE
    return right[line * (width / 4u) + min(four, width / 4u - 1u)];
#else
    let at = line * width;
    let first = four * 4u;
    let last = width - 1u;
    return vec4(
        right[at + min(first, last)],
        right[at + min(first + 1u, last)],
        right[at + min(first + 2u, last)],
        right[at + min(first + 3u, last)],
    );
#end
}

#if BIAS
fn bias_four(four: u32, width: u32) -> vec4<f32> {
#if OUTPUT_WIDE
    return bias[min(four, width / 4u - 1u)];
#else
    let first = four * 4u;
    let last = width - 1u;
    return vec4(
        bias[min(first, last)],
        bias[min(first + 1u, last)],
        bias[min(first + 2u, last)],
        bias[min(first + 3u, last)],
    );
#end
}
#end

fn write_four(row: u32, four: u32, rows: u32, width: u32, value: vec4<f32>) {
    if row >= rows {
        return;
    }
#if OUTPUT_WIDE
    let at = row * (width / 4u) + four;
    if four < width / 4u {
#if ADD
        output[at] = output[at] + value;
#else
        output[at] = value;
#end
    }
#else
    let at = row * width;
    let first = four * 4u;
#for c in 0..4
    if first + {{c}}u < width {
#if ADD
        output[at + first + {{c}}u] = output[at + first + {{c}}u] + value[{{c}}];
#else
        output[at + first + {{c}}u] = value[{{c}}];
#end
    }
#end
#end
}

@compute @workgroup_size({{LANES}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let rows = sizes[0];
    let columns = sizes[1];
    let steps = sizes[2];
    let lane = local.x;
    let row = group.y * {{ROWS}}u;
    let four = (group.x * {{LANES}}u + lane) * {{COLUMNS}}u;
#for i in 0..ROWS
#for j in 0..COLUMNS
#if BIAS
    var sum{{i}}_{{j}} = bias_four(four + {{j}}u, columns);
#else
    var sum{{i}}_{{j}} = vec4<f32>();
#end
#end
#end
    for (var step = 0u; step < steps; step += 4u) {
#if LEFT_TURNED
        // Element (i, k) lies in four i/4 of line k, which is one of 4 lines with {{FOURS}} fours each.
#if SUBGROUP
#for part in 0..PARTS
        let part{{part}}_line = ({{part}}u * {{LANES}}u + lane) / {{FOURS}}u;
        let part{{part}} = select(
            vec4<f32>(),
            left_four(
                min(step + part{{part}}_line, steps - 1u),
                min(row / 4u + (({{part}}u * {{LANES}}u + lane) % {{FOURS}}u), (rows - 1u) / 4u),
                rows,
            ),
            step + part{{part}}_line < steps,
        );
#end
#else
#for k in 0..4
#for f in 0..FOURS
        let line{{k}}_{{f}} = select(
            vec4<f32>(),
            left_four(min(step + {{k}}u, steps - 1u), min(row / 4u + {{f}}u, (rows - 1u) / 4u), rows),
            step + {{k}}u < steps,
        );
#end
#end
#end
#else
#if SUBGROUP
#for part in 0..PARTS
        let part{{part}} = left_four(min(row + {{part}}u * {{LANES}}u + lane, rows - 1u), step / 4u, steps);
#end
#else
#for i in 0..ROWS
        let left{{i}} = left_four(min(row + {{i}}u, rows - 1u), step / 4u, steps);
#end
#end
#end
#if RIGHT_TURNED
#for j in 0..COLUMNS
#for c in 0..4
        let column{{j}}_{{c}} = right_four(min((four + {{j}}u) * 4u + {{c}}u, columns - 1u), step / 4u, steps);
#end
#end
#end
#for k in 0..4
        {
#for j in 0..COLUMNS
#if RIGHT_TURNED
            let right{{j}} =
                vec4(column{{j}}_0[{{k}}], column{{j}}_1[{{k}}], column{{j}}_2[{{k}}], column{{j}}_3[{{k}}]);
#else
            let right{{j}} = right_four(min(step + {{k}}u, steps - 1u), four + {{j}}u, columns);
#end
#end
#for i in 0..ROWS
#if LEFT_TURNED
#if SUBGROUP
            let factor{{i}} = vec4(subgroupBroadcast(
                part{{(k * FOURS + i / 4) / LANES}}[{{i % 4}}],
                {{(k * FOURS + i / 4) % LANES}}u,
            ));
#else
            let factor{{i}} = vec4(line{{k}}_{{i / 4}}[{{i % 4}}]);
#end
#else
#if SUBGROUP
            let factor{{i}} = vec4(subgroupBroadcast(part{{i / LANES}}[{{k}}], {{i % LANES}}u));
#else
            let factor{{i}} = vec4(left{{i}}[{{k}}]);
#end
#end
#for j in 0..COLUMNS
            sum{{i}}_{{j}} = fma(factor{{i}}, right{{j}}, sum{{i}}_{{j}});
#end
#end
        }
#end
    }
#for i in 0..ROWS
#for j in 0..COLUMNS
    write_four(row + {{i}}u, four + {{j}}u, rows, columns, sum{{i}}_{{j}});
#end
#end
}
