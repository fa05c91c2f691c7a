// The gradient of a normalization's input: with x̂ the normalized row and g = gradient·gain,
// (g − mean(g) − x̂·mean(g·x̂))/deviation, where mean(g) counts with CENTRED alone.
//
// Bindings: x, gain, the rows' means and inverse deviations, the gradient of the output, that of x, and sizes:
// the number of rows, and of elements (or of fours of them, where ELEMENT is one) of a row.
// {{LANES}} lanes share a row; a workgroup has {{ROWS}} of them.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> gain: array<Element>;
@group(0) @binding(2) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> gradient: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;
@group(0) @binding(5) var<storage, read> sizes: array<u32>;

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
    // Lanes beyond the end take part in the sums of the last row.
    let there = min(row, rows - 1u);
    let start = there * width;
    let mean = statistics[there].x;
    let inverse = statistics[there].y;
    var of_gradient = Element();
    var of_product = Element();
    for (var i = lane; i < width; i += {{LANES}}u) {
        let scaled = gradient[start + i] * gain[i];
#if CENTRED
        of_gradient += scaled;
#end
        of_product += scaled * ((x[start + i] - mean) * inverse);
    }
    let sums = vec2(inner(of_gradient), inner(of_product));
    let means = over_lanes(sums, place, lane, false) / f32(width * {{ELEMENTS}}u);
    if row >= rows {
        return;
    }
    for (var i = lane; i < width; i += {{LANES}}u) {
        let normalized = (x[start + i] - mean) * inverse;
        output[start + i] = inverse * (gradient[start + i] * gain[i] - means.x - normalized * means.y);
    }
}
