// Dropout (Srivastava et al. 2014) by counter: every element times 0 or times 1/(1 − share), as a hash of its number
// and a seed says. That is `pcg4d` (Jarzynski and Olano, Hash Functions for GPU Rendering, JCGT 9(3), 2020), which
// gives the random numbers of four elements. The gradient goes the same way.
//
// Bindings: x, output, and sizes: the number of elements, or of fours of them (WIDE), the lower and upper half of the
// seed, below which random number an element is dropped, and 1/(1 − share) as bits of f32.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> output: array<Element>;
@group(0) @binding(2) var<storage, read> sizes: array<u32>;

fn pcg4d(counter: vec4<u32>) -> vec4<u32> {
    var v = counter * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

fn each(at: u32) {
    if at >= sizes[0] {
        return;
    }
    let kept = bitcast<f32>(sizes[4]);
#if WIDE
    let random = pcg4d(vec4(at, sizes[1], sizes[2], 0u));
    output[at] = x[at] * select(vec4(0.0), vec4(kept), random >= vec4(sizes[3]));
#else
    let random = pcg4d(vec4(at / 4u, sizes[1], sizes[2], 0u));
    output[at] = x[at] * select(0.0, kept, random[at % 4u] >= sizes[3]);
#end
}
