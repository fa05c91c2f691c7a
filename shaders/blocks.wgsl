// Turns blocks of few bits, as llama.cpp's `ggml-quants.c` defines them, into the numbers of a matrix's rows. Each lane
// gives four numbers that follow each other in a row.
//
// Bindings: the matrix's blocks, row by row, four bytes a word; with INDEXED the numbers of the wanted rows; their
// numbers; and sizes: how many fours of them, how many of a row, and without INDEXED the first wanted row, with it how many
// rows there are and the bits of what stands for one that is not there. A row is whole blocks, which a word may share.
// One of Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K says which blocks. The twin is `decode` of
// `crates/trainyard-pretrained/src/blocks.rs`.
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
#if INDEXED
@group(0) @binding(1) var<storage, read_write> rows: array<i32>;
@group(0) @binding(2) var<storage, read_write> numbers: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> sizes: array<u32>;
#else
@group(0) @binding(1) var<storage, read_write> numbers: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> sizes: array<u32>;
#end

fn byte_at(at: u32) -> u32 {
    return (words[at / 4u] >> (8u * (at % 4u))) & 0xffu;
}

// Four bytes from any place on, in one word.
fn word_at(at: u32) -> u32 {
    let shift = 8u * (at % 4u);
    let low = words[at / 4u] >> shift;
    if shift == 0u {
        return low;
    }
    return low | (words[at / 4u + 1u] << (32u - shift));
}

fn bytes_at(at: u32) -> vec4<u32> {
    return (vec4<u32>(word_at(at)) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu);
}

// A float of 16 bits, at an even place as all of blocks are.
fn float_at(at: u32) -> f32 {
    return float_of_half((words[at / 4u] >> (8u * (at % 4u))) & 0xffffu);
}

#if HALVES
// Half bytes of a block of 32, the low ones for the first sixteen numbers.
fn quants_at(start: u32, inside: u32) -> vec4<u32> {
    return (bytes_at(start + inside % 16u) >> vec4<u32>(4u * (inside / 16u))) & vec4<u32>(15u);
}

// Fifth bits of four numbers, in their places.
fn fifths_at(start: u32, inside: u32) -> vec4<u32> {
    let bits = vec4<u32>(word_at(start) >> inside);
    return ((bits >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) << vec4<u32>(4u);
}
#end

#if PARTS
// Scale and least number of a part of 32 of a block of 256.
fn part_at(start: u32, part: u32) -> vec2<f32> {
    let packed = start + 4u + part;
    var scale = byte_at(packed) & 63u;
    var least = byte_at(packed + 4u) & 63u;
    if part >= 4u {
        let low = byte_at(packed + 4u);
        scale = (low & 15u) | ((byte_at(packed - 4u) >> 6u) << 4u);
        least = (low >> 4u) | ((byte_at(packed) >> 6u) << 4u);
    }
    return vec2<f32>(float_at(start) * f32(scale), float_at(start + 2u) * f32(least));
}

// Half bytes of two parts that share bytes.
fn pair_at(start: u32, inside: u32) -> vec4<u32> {
    let part = inside / 32u;
    let bytes = bytes_at(start + part / 2u * 32u + inside % 32u);
    return (bytes >> vec4<u32>(4u * (part % 2u))) & vec4<u32>(15u);
}
#end

fn four_numbers(start: u32, inside: u32) -> vec4<f32> {
#if Q8_0
    let quants = bytes_at(start + 2u + inside) << vec4<u32>(24u);
    return vec4<f32>(bitcast<vec4<i32>>(quants) >> vec4<u32>(24u)) * float_at(start);
#end
#if Q4_0
    return (vec4<f32>(quants_at(start + 2u, inside)) - 8.0) * float_at(start);
#end
#if Q4_1
    return vec4<f32>(quants_at(start + 4u, inside)) * float_at(start) + float_at(start + 2u);
#end
#if Q5_0
    let quants = quants_at(start + 6u, inside) | fifths_at(start + 2u, inside);
    return (vec4<f32>(quants) - 16.0) * float_at(start);
#end
#if Q5_1
    let quants = quants_at(start + 8u, inside) | fifths_at(start + 4u, inside);
    return vec4<f32>(quants) * float_at(start) + float_at(start + 2u);
#end
#if Q4_K
    let part = part_at(start, inside / 32u);
    return part.x * vec4<f32>(pair_at(start + 16u, inside)) - part.y;
#end
#if Q5_K
    let part = part_at(start, inside / 32u);
    let fifths = (bytes_at(start + 16u + inside % 32u) >> vec4<u32>(inside / 32u)) & vec4<u32>(1u);
    return part.x * vec4<f32>(pair_at(start + 48u, inside) | (fifths << vec4<u32>(4u))) - part.y;
#end
#if Q6_K
    let half = inside / 128u;
    let quarter = inside / 32u % 4u;
    let low = bytes_at(start + 64u * half + 32u * (quarter % 2u) + inside % 32u);
    let high = bytes_at(start + 128u + 32u * half + inside % 32u);
    let quants = ((low >> vec4<u32>(4u * (quarter / 2u))) & vec4<u32>(15u))
        | (((high >> vec4<u32>(2u * quarter)) & vec4<u32>(3u)) << vec4<u32>(4u));
    let part = bitcast<i32>(byte_at(start + 192u + inside / 16u) << 24u) >> 24u;
    return float_at(start + 208u) * f32(part) * (vec4<f32>(quants) - 32.0);
#end
}

fn each(at: u32) {
    if at >= sizes[0] {
        return;
    }
    let fours = sizes[1];
#if INDEXED
    let row = rows[at / fours];
    if row < 0 || u32(row) >= sizes[2] {
        numbers[at] = vec4<f32>(bitcast<f32>(sizes[3]));
        return;
    }
    let first = u32(row) * fours;
#else
    let first = (sizes[2] + at / fours) * fours;
#end
    let number = 4u * (first + at % fours);
    numbers[at] = four_numbers(number / {{NUMBERS}}u * {{BYTES}}u, number % {{NUMBERS}}u);
}
