// The timeline's rectangles: actions, idle hatching and memory, thousands in one draw.
//
// One instance a rectangle, six vertices each, no vertex buffer but the instances':
//   location 0  edges   left, top, right, bottom in pixels of the target, not snapped to them
//   location 1  fill    colour, premultiplied, as a gamma-space sRGB value
//   location 2  ink     colour of the pattern's lines and of the border, likewise
//   location 3  style   bits 0–7 the pattern, bit 8 whether there is a border
// binding 0     look    the target's size, the patterns' origin (pixels) and pixels per point
//
// A pixel is covered by the share of its area that lies inside, so edges are smooth without
// multisampling. It demands left ≤ right and top ≤ bottom.
// The CPU renderer of the same pixels is `timeline/cpu_renderer.rs` of trainyard-studio: change both or neither.

struct Look {
    screen: vec2<f32>,
    origin: vec2<f32>,
    scale: f32,
}

@group(0) @binding(0) var<uniform> look: Look;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) @interpolate(flat) edges: vec4<f32>,
    @location(1) @interpolate(flat) fill: vec4<f32>,
    @location(2) @interpolate(flat) ink: vec4<f32>,
    @location(3) @interpolate(flat) style: u32,
}

@vertex
fn corner(
    @builtin(vertex_index) index: u32,
    @location(0) edges: vec4<f32>,
    @location(1) fill: vec4<f32>,
    @location(2) ink: vec4<f32>,
    @location(3) style: u32,
) -> Corner {
    // Two triangles: 0 1 2, 2 1 3 of the corners left-top, right-top, left-bottom, right-bottom.
    let which = select(index, select(2u, select(1u, 3u, index == 5u), index != 3u), index >= 3u);
    let right = (which & 1u) == 1u;
    let bottom = (which & 2u) == 2u;
    let x = select(floor(edges.x), ceil(edges.z), right);
    let y = select(floor(edges.y), ceil(edges.w), bottom);
    let place = vec2<f32>(2.0 * x / look.screen.x - 1.0, 1.0 - 2.0 * y / look.screen.y);
    return Corner(vec4<f32>(place, 0.0, 1.0), edges, fill, ink, style);
}

const SOLID: u32 = 0u;
const RISING: u32 = 1u;
const FALLING: u32 = 2u;
const CROSSED: u32 = 3u;
const DOTTED: u32 = 4u;
const LEVEL: u32 = 5u;
const BORDER: u32 = 256u;

// Distance between lines, and half their thickness, in points.
const PERIOD: f32 = 7.0;
const HALF_LINE: f32 = 0.55;
const DOT: f32 = 1.1;

// How much of a pixel a line takes that lies `distance` pixels from its middle.
fn line(distance: f32) -> f32 {
    return clamp(HALF_LINE * look.scale + 0.5 - distance, 0.0, 1.0);
}

fn slanted(along: f32) -> f32 {
    let period = PERIOD * look.scale;
    return line(abs(fract(along / period) - 0.5) * period * 0.70710678);
}

fn pattern(style: u32, at: vec2<f32>) -> f32 {
    let period = PERIOD * look.scale;
    switch style & 255u {
        case RISING: { return slanted(at.x + at.y); }
        case FALLING: { return slanted(at.x - at.y); }
        case CROSSED: { return max(slanted(at.x + at.y), slanted(at.x - at.y)); }
        case DOTTED: {
            let cell = (fract(at / period) - 0.5) * period;
            return clamp(DOT * look.scale + 0.5 - length(cell), 0.0, 1.0);
        }
        case LEVEL: { return line(abs(fract(at.y / period) - 0.5) * period); }
        default: { return 0.0; }
    }
}

fn shade(in: Corner) -> vec4<f32> {
    let pixel = floor(in.position.xy);
    let inside = min(pixel + 1.0, in.edges.zw) - max(pixel, in.edges.xy);
    let cover = clamp(inside.x, 0.0, 1.0) * clamp(inside.y, 0.0, 1.0);
    let middle = pixel + 0.5;
    var ink = pattern(in.style, middle - look.origin);
    if (in.style & BORDER) != 0u {
        let within = min(middle - in.edges.xy, in.edges.zw - middle);
        ink = max(ink, clamp(look.scale + 0.5 - min(within.x, within.y), 0.0, 1.0));
    }
    return mix(in.fill, in.ink, ink) * cover;
}

// For a target that takes gamma-space values as they are, which egui prefers.
@fragment
fn gamma_target(in: Corner) -> @location(0) vec4<f32> {
    return shade(in);
}

// For a target that converts from linear values itself.
@fragment
fn linear_target(in: Corner) -> @location(0) vec4<f32> {
    let colour = shade(in);
    let low = colour.rgb / 12.92;
    let high = pow((colour.rgb + 0.055) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, low, colour.rgb < vec3<f32>(0.04045)), colour.a);
}
