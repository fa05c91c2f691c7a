// SwiGLU (Shazeer, arXiv 2002.05202), silu(gate)·up with silu(x) = x/(1 + e⁻ˣ), element by element, or with BACKWARD
// the gradients of both from that of the output: σ(gate)·(1 + gate·(1 − σ(gate)))·up·gradient and silu(gate)·gradient.
//
// Bindings: gate, up, (gradient,) output or the gradients of gate and up, and the number of elements, or of fours of
// them where ELEMENT is one.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> gate: array<Element>;
@group(0) @binding(1) var<storage, read_write> up: array<Element>;
#if BACKWARD
@group(0) @binding(2) var<storage, read_write> gradient: array<Element>;
@group(0) @binding(3) var<storage, read_write> of_gate: array<Element>;
@group(0) @binding(4) var<storage, read_write> of_up: array<Element>;
@group(0) @binding(5) var<storage, read> sizes: array<u32>;
#else
@group(0) @binding(2) var<storage, read_write> output: array<Element>;
@group(0) @binding(3) var<storage, read> sizes: array<u32>;
#end

fn each(at: u32) {
    if at >= sizes[0] {
        return;
    }
    let value = gate[at];
    let sigmoid = 1.0 / (1.0 + exp(min(-value, Element(87.0))));
#if BACKWARD
    let silu = value * sigmoid;
    of_gate[at] = gradient[at] * up[at] * (sigmoid + silu * (1.0 - sigmoid));
    of_up[at] = gradient[at] * silu;
#else
    output[at] = value * sigmoid * up[at];
#end
}
