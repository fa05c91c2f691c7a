// GELU, x·Φ(x), element by element, or with BACKWARD the gradient of x from that of the output.
//
// Bindings: x, (gradient,) output, and the number of elements, or of fours of them where ELEMENT is one.
// `erfc` by Abramowitz and Stegun 7.1.26 (Hastings 1955), whose error is below 1.5e-7, as on CPU devices.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> x: array<Element>;
#if BACKWARD
@group(0) @binding(1) var<storage, read_write> gradient: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;
@group(0) @binding(3) var<storage, read> sizes: array<u32>;
#else
@group(0) @binding(1) var<storage, read_write> output: array<Element>;
@group(0) @binding(2) var<storage, read> sizes: array<u32>;
#end

fn each(at: u32) {
    if at >= sizes[0] {
        return;
    }
    let value = x[at];
    let bell = exp(value * value * -0.5);
    let t = 1.0 / (1.0 + abs(value) * 0.231641888);
    var p = t * 1.061405429 - 1.453152027;
    p = p * t + 1.421413741;
    p = p * t - 0.284496736;
    p = p * t + 0.254829592;
    let tail = p * t * bell * 0.5;
    let distribution = select(1.0 - tail, tail, value < Element(0.0));
#if BACKWARD
    output[at] = gradient[at] * (distribution + value * bell * 0.398942280);
#else
    output[at] = value * distribution;
#end
}
