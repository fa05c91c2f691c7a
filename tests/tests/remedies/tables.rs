//! Tables: what their messages say is done to the file, or to a key of `[data]`.

use std::path::PathBuf;

use trainyard_tests::{Place, assert_says, run_ok, train_command, trainyard, write};

use crate::{Sets, between, mended, plan, refused};

/// A run file that trains on `table.csv`.
fn run_file(place: &Place) -> PathBuf {
    let file = place.path("table.toml");
    write(
        &file,
        "[model]\nkind = \"mlp\"\ninputs = 1\n[data]\ntable = \"table.csv\"\ntarget = \"y\"\n\
         validation_fraction = 0.5\n[train]\nsteps = 2\nbatch = 2\nmicro_batches = 2\n\
         [[device]]\nid = \"one\"\nadapter = \"cpu\"\nmemory = \"64 MiB\"\n",
    );
    file
}

/// A table that is refused, how, and the table and settings that are what the message says.
const CELLS: &[(&str, &str, &str, Sets<'_>)] = &[
    (
        "x,y\n1,a\n2\n",
        "line 3 has 1 cells, but the first row has 2; mend it",
        "x,y\n1,a\n2,b\n",
        &[],
    ),
    ("x,x,y\n1,2,a\n2,3,b\n", "rename one", "x,z,y\n1,2,a\n2,3,b\n", &["model.inputs=2"]),
    ("x,y\n1,a\n,b\n", "the cell is empty; fill it", "x,y\n1,a\n2,b\n", &[]),
    (
        "x,z,y\n1,2,a\n,3,b\n",
        "with data.features",
        "x,z,y\n1,2,a\n,3,b\n",
        &["data.features=[\"z\"]"],
    ),
    ("x,y\n1,a\nq,b\n", "\"q\" is no number; mend it", "x,y\n1,a\n2,b\n", &[]),
    ("x,y\n1,a\n1e99,b\n", "32 bits can hold; mend it", "x,y\n1,a\n1e9,b\n", &[]),
    ("x,y\n1,a\n2,\n3,b\n", "fill it, or take the row out", "x,y\n1,a\n3,b\n", &[]),
    (
        "x,y\n1,a\n2,0.5\n",
        "set data.task to \"classes\"",
        "x,y\n1,a\n2,0.5\n",
        &["data.task=classes"],
    ),
    ("x,y\nu,a\nv,b\n", "add one", "x,z,y\nu,1,a\nv,2,b\n", &[]),
    ("x,y\n", "give one with at least two", "x,y\n1,a\n2,b\n", &[]),
    ("x,y\n1,a\n", "use more data, or another fraction", "x,y\n1,a\n2,b\n", &[]),
    ("x,q\n1,a\n2,b\n", "has no column 'y'; it has: x, q", "x,q\n1,a\n2,b\n", &["data.target=q"]),
    ("x;y\n1;a\n2;b\n", "set data.delimiter", "x;y\n1;a\n2;b\n", &["data.delimiter=;"]),
    ("x,y\n\"1,a\n2,b\n", "data.quotes", "x,y\n1,a\n2,b\n", &[]),
];

#[test]
fn a_table_is_mended_as_told() {
    let place = Place::new();
    let file = run_file(&place);
    let table = place.path("table.csv");
    for (wrong, words, right, sets) in CELLS {
        write(&table, wrong);
        assert_says(&refused(&file, &[]), &[words]);
        write(&table, right);
        run_ok(&mut plan(&file, sets));
    }
}

#[test]
fn a_key_of_a_table_is_set_as_told() {
    let place = Place::new();
    let file = run_file(&place);
    write(&place.path("table.csv"), "x,z,y\n1,2,a\n2,3,b\n4,1,a\n");
    let two = "model.inputs=2";
    let classes = "data.classes=[\"a\"]";
    for (wrong, words, right) in [
        ("data.features=[\"y\"]", "another column than the target", "data.features=[\"z\"]"),
        ("data.features=[\"x\",\"x\"]", "named once", "data.features=[\"x\"]"),
        (classes, "add it there", "data.features=[\"x\"]"),
    ] {
        mended(&file, &[wrong], words, &[right]);
    }
    mended(&file, &[two, classes], "none of data.classes", &[two, "data.classes=[\"a\",\"b\"]"]);
    mended(&file, &[two, "data.target=[]"], "the name of a column", &[two, "data.target=y"]);
    mended(&file, &[two, "data.delimiter=ab"], "one ASCII character", &[two, "data.delimiter=,"]);
    mended(
        &file,
        &["data.target=[\"x\",\"y\"]", "data.task=classes"],
        "a single column",
        &["data.target=[\"y\"]", "data.task=classes", two],
    );
    // The sizes of the model are those of the data.
    let stderr = refused(&file, &[]);
    let inputs = between(&stderr, "must be ", ",");
    run_ok(&mut plan(&file, &[&format!("model.inputs={inputs}")]));
    let stderr = refused(&file, &[two, "model.outputs=1"]);
    let outputs = between(&stderr, "must be at least ", ",");
    let run = place.path("run");
    let mut train = train_command(&file, &run);
    run_ok(train.args(["--set", two, "--set", &format!("model.outputs={outputs}")]));
    let numbers = ["data.target=z", "data.task=numbers", "data.features=[\"x\"]"];
    let stderr = refused(&file, &numbers);
    assert_says(&stderr, &["numbers to be learned"]);
    let outputs = format!("model.outputs={}", between(&stderr, "must be ", ","));
    run_ok(&mut plan(&file, &[&numbers[..], &[outputs.as_str()]].concat()));
}

#[test]
fn lines_of_json_are_mended_as_told() {
    let place = Place::new();
    let file = run_file(&place);
    let lines = place.path("table.jsonl");
    let set = format!("data.table={}", lines.display());
    let first = "{\"x\": 1, \"y\": \"a\"}\n";
    for (wrong, words, right) in [
        ("[1]\n", "is no JSON object; write one object a line", "{\"x\": 2, \"y\": \"b\"}\n"),
        ("{\"x\":\n2, \"y\": \"b\"}\n", "write one object a line", "{\"x\": 2, \"y\": \"b\"}\n"),
        (
            "{\"x\": 2, \"y\": \"b\", \"w\": 3}\n",
            "give all objects the same",
            "{\"x\": 2, \"y\": \"b\"}\n",
        ),
    ] {
        write(&lines, [first, wrong].concat());
        assert_says(&refused(&file, &[&set]), &[words]);
        write(&lines, [first, right].concat());
        run_ok(&mut plan(&file, &[&set]));
    }
}

#[test]
fn data_that_are_given_to_evaluate_are_left_out_as_told() {
    let place = Place::new();
    let file = run_file(&place);
    write(&place.path("table.csv"), "x,y\n1,a\n2,b\n");
    for data in ["builtin = \"waves\"", "", "builtin = \"spiral\""] {
        let inputs = if data.is_empty() { 10 } else { 2 };
        let text = format!(
            "[model]\nkind = \"mlp\"\ninputs = {inputs}\noutputs = {inputs}\n[data]\n{data}\n\
             [train]\nsteps = 2\n"
        );
        let file = place.path("rows.toml");
        write(&file, text);
        let mut command = trainyard();
        command.arg("evaluate").arg(&file).arg("--data").arg(place.path("table.csv"));
        let stderr = trainyard_tests::run_fails(&mut command, 2);
        assert_says(&stderr, &["leave --data out"]);
        run_ok(trainyard().arg("evaluate").arg(&file));
    }
    // Where the run file names data of a kind, others of that kind take their place.
    run_ok(trainyard().arg("evaluate").arg(&file).arg("--data").arg(place.path("table.csv")));
}
