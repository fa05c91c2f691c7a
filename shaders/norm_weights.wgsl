// The gradients of a normalization's gain and with BIAS of its bias, in parts: for every {{CHUNK}} rows Σ gradient·x̂
// and Σ gradient, column by column.
//
// Bindings: x, the rows' means and inverse deviations, the gradient of the output, output `[1 or 2, parts, columns]`,
// and sizes: the number of rows, of columns (or of fours of them, where ELEMENT is one), and of parts.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> gradient: array<Element>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;
@group(0) @binding(4) var<storage, read> sizes: array<u32>;

@compute @workgroup_size({{LANES}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let column = group.x * {{LANES}}u + local.x;
    let rows = sizes[0];
    let columns = sizes[1];
    let parts = sizes[2];
    if column >= columns {
        return;
    }
    var of_gain = Element();
#if BIAS
    var of_bias = Element();
#end
    let last = min((group.y + 1u) * {{CHUNK}}u, rows);
    for (var row = group.y * {{CHUNK}}u; row < last; row++) {
        let value = gradient[row * columns + column];
        let statistic = statistics[row];
        of_gain += value * ((x[row * columns + column] - statistic.x) * statistic.y);
#if BIAS
        of_bias += value;
#end
    }
    output[group.y * columns + column] = of_gain;
#if BIAS
    output[(parts + group.y) * columns + column] = of_bias;
#end
}
