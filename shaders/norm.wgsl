// Normalization of every row. With CENTRED layer normalization (Ba et al., arXiv 1607.06450), (x − mean)/√(variance +
// ε)·gain (+ bias); without it by the root mean square (Zhang and Sennrich, arXiv 1910.07467), where the mean counts as 0.
//
// Bindings: x, gain, (bias,) output, for every row its mean and the inverse of its deviation, and sizes: the
// number of rows, of elements (or of fours of them, where ELEMENT is one) of a row, and ε as bits of f32.
// {{LANES}} lanes share a row; a workgroup has {{ROWS}} of them.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> gain: array<Element>;
#if BIAS
@group(0) @binding(2) var<storage, read_write> bias: array<Element>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;
@group(0) @binding(4) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> sizes: array<u32>;
#else
@group(0) @binding(2) var<storage, read_write> output: array<Element>;
@group(0) @binding(3) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> sizes: array<u32>;
#end

// The sum of an element's numbers.
fn inner(element: Element) -> f32 {
#if WIDE
    return dot(element, Element(1.0));
#else
    return element;
#end
}

fn each_row(row: u32, lane: u32, place: u32) {
    let rows = sizes[0];
    let width = sizes[1];
    let elements = f32(width * {{ELEMENTS}}u);
    // Lanes beyond the end take part in the sums of the last row.
    let start = min(row, rows - 1u) * width;
#if CENTRED
    var sum = Element();
    for (var i = lane; i < width; i += {{LANES}}u) {
        sum += x[start + i];
    }
    let mean = over_lanes(inner(sum), place, lane, false) / elements;
#else
    let mean = 0.0;
#end
    var squares = Element();
    for (var i = lane; i < width; i += {{LANES}}u) {
        let centred = x[start + i] - mean;
        squares += centred * centred;
    }
    let variance = over_lanes(inner(squares), place, lane, false) / elements;
    if row >= rows {
        return;
    }
    let inverse = 1.0 / sqrt(variance + bitcast<f32>(sizes[2]));
    for (var i = lane; i < width; i += {{LANES}}u) {
        let normalized = (x[start + i] - mean) * inverse;
#if BIAS
        output[start + i] = normalized * gain[i] + bias[i];
#else
        output[start + i] = normalized * gain[i];
#end
    }
    if lane == 0u {
        statistics[row] = vec2(mean, inverse);
    }
}
