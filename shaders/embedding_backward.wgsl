// Adds the gradients of looked-up rows to the table's gradient, without atomics: a lane has a column and goes along the
// rows. For devices of few lanes.
//
// Bindings: the rows' indices; their gradients; the gradient of the table; and sizes: the number of rows, the table's
// rows, and the numbers of a row, or fours of them where ELEMENT is one. An index that is not in the table is left out.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> indices: array<i32>;
@group(0) @binding(1) var<storage, read_write> gradient: array<Element>;
@group(0) @binding(2) var<storage, read_write> table: array<Element>;
@group(0) @binding(3) var<storage, read> sizes: array<u32>;

@compute @workgroup_size({{LANES}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let column = group.x * {{LANES}}u + local.x;
    let rows = sizes[0];
    let width = sizes[2];
    if column >= width {
        return;
    }
    var at = column;
    for (var row = 0u; row < rows; row++) {
        let index = u32(indices[row]);
        if index < sizes[1] {
            table[index * width + column] += gradient[at];
        }
        at += width;
    }
}
