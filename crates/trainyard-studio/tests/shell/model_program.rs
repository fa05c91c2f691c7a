//! A program that stands in for `trainyard` where a pretrained model is opened, trained and talked with.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use trainyard_plan::DeviceProfile;
use trainyard_plan::fit::{
    FitDevice, FitRequest, Method, Product, Transformer, TransformerLayer, TransformerPart,
    estimated_profile, fit,
};
use trainyard_studio::run::Program;

/// A small model: full training does not fit its devices.
fn transformer() -> Transformer {
    let product = Product { inputs: 256, outputs: 256, packed_bytes: 256 * 256 / 32 * 20 };
    let block = |block| TransformerLayer {
        name: format!("block{block}"),
        products: vec![product; 7],
        packed_as: vec!["q4_1".to_owned()],
        others: 512,
        largest_other: 256,
        ..TransformerLayer::default()
    };
    let end = |name: &str, kind| TransformerLayer {
        name: name.to_owned(),
        kind,
        others: 1000 * 256,
        largest_other: 1000 * 256,
        ..TransformerLayer::default()
    };
    let ends = [("embed", TransformerPart::Embedding), ("head", TransformerPart::Head)];
    let [first, last] = ends.map(|(name, kind)| end(name, kind));
    let blocks = (0..6).map(block);
    Transformer {
        name: "small".to_owned(),
        width: 256,
        heads: 4,
        queries: 256,
        keys_and_values: 512,
        feed_forward: 256,
        norms: 2,
        causal: true,
        logits: 1000,
        context: 512,
        layers: std::iter::once(first).chain(blocks).chain([last]).collect(),
        ..Transformer::default()
    }
}

/// The machine's devices: a card and the CPU, which the program would not take by itself.
const DEVICES: &str = r#"{"format": "trainyard-devices", "version": 1, "devices": [
    {"index": 0, "adapter": "vulkan:Card", "name": "Card", "kind": "discrete", "api": "vulkan", "also": [], "driver": "",
     "vendor": "", "pci_bus_id": "", "memory": {"total_bytes": 62914560, "free_bytes": 62914560, "source": "reported"},
     "max_buffer_bytes": 1073741824, "f16": false, "timestamps": true, "compute": {"result": "works"}},
    {"index": 1, "adapter": "cpu", "name": "Processor", "kind": "cpu", "api": "cpu", "also": [], "driver": "",
     "vendor": "", "pci_bus_id": "", "memory": {"total_bytes": 8388608, "free_bytes": 8388608, "source": "reported"},
     "max_buffer_bytes": 1073741824, "f16": false, "timestamps": true, "compute": {"result": "works"}}]}"#;

/// Writes what `trainyard fit` would say of each method, and its profile: of devices that are large enough for
/// adapters, and of small ones, where those are chosen.
fn answers(folder: &Path) {
    fs::write(folder.join("devices.json"), DEVICES).unwrap();
    for (end, memory_bytes) in [("", 24 << 20), (".small", 2 << 20)] {
        answers_of(folder, end, memory_bytes);
    }
}

fn answers_of(folder: &Path, end: &str, memory_bytes: u64) {
    let model = transformer();
    let device = |id: &str| FitDevice {
        device: DeviceProfile { id: id.to_owned(), memory_bytes, ..DeviceProfile::default() },
        gflops: Some(50.0),
        copy_rate: None,
    };
    let devices = ["left", "right"].map(device);
    let methods = [Method::Full, Method::Lora { rank: 16 }, Method::Qlora { rank: 16 }];
    for method in methods {
        let (batch, context) = (8, 128);
        let request = FitRequest { model: &model, devices: &devices, method, batch, context };
        let write = |kind: &str, text: String| {
            fs::write(folder.join(format!("{}{end}.{kind}", method.text())), text).unwrap();
        };
        let profile = estimated_profile(&request).unwrap();
        write("profile", serde_json::to_string(&profile).unwrap());
        write("fit", serde_json::to_string(&fit(&request).unwrap()).unwrap());
    }
}

const SCRIPT: &str = r#"#!/bin/sh
echo "$*" >> "$0 asked"
case "$1" in
devices) cat "HERE/devices.json" ;;
fit)
    method=full
    while [ $# -gt 1 ]; do
        case "$1" in
        --method) method="$2" ;;
        --save-profile) out="$2" ;;
        --devices-of) cp "$2" "HERE/asked.toml"; small=.small ;;
        --context) context="$2" ;;
        esac
        shift
    done
    if [ "$context" = 9999 ]; then
        echo "  × context is 9999; it must be from 1 to 512, the positions of the model" >&2
        exit 2
    fi
    case "$1" in *unknown*) echo "  × architecture 'Riddle' is not known" >&2; exit 2 ;; esac
    cp "HERE/$method$small.profile" "$out"
    case "$1" in
    *encoder*) sed 's/"model":"small"/&,"encoder":true/' "HERE/$method$small.fit" ;;
    *) cat "HERE/$method$small.fit" ;;
    esac
    ! grep -q '"verdict":"too_big"' "HERE/$method$small.fit" || exit 3 ;;
columns)
    case "$4" in *bad*) echo "  × $4, line 1 is no JSON object" >&2; exit 2 ;; esac
    printf '%s\n' '{"format":"trainyard-columns","version":1,"columns":[{"name":"text","cells":["my card is lost","a refund"]},{"name":"intent","cells":["lost_card","refund"]}]}' ;;
preview)
    if grep -q '^label' "$2"; then
        printf '%s\n' '{"source":"bank.csv","training_samples":9,"remarks":["2 of 9 rows are longer than a context of 40 tokens and were cut"],"samples":[{"tokens":[1,70,71,2],"texts":["[CLS]"," a"," refund"," [SEP]"],"counts":[false,false,false,false],"text":"","target":"refund"}]}'
        exit 0
    fi
    if grep -q bad.jsonl "$2"; then
        echo "  × /data/bad.jsonl, line 3: no messages" >&2
        exit 2
    fi
    printf '%s\n' '{"source":"chats","training_samples":9,"samples":[{"tokens":[1,70,71,2],"texts":["<user> hi\n","Good"," day","</s>"],"counts":[false,true,true,true],"text":""}]}' ;;
plan)
    shift 2
    while [ $# -gt 0 ]; do
        case "$1" in
        --save-profile) cp "HERE/lora.profile" "$2" ;;
        -o) echo a plan > "$2" ;;
        esac
        shift
    done ;;
train) echo "  × this is only a stand-in" >&2; exit 1 ;;
generate)
    case "$*" in *refuses*) echo "  × it has no chat template" >&2; exit 2 ;; esac
    case "$*" in
    *bare*) echo '{"event":"ready","context":64,"continues":true}' ;;
    *) echo '{"event":"ready","context":64}' ;;
    esac
    while read -r line; do
        case "$line" in
        *forget*) ;;
        *stop*) echo '{"event":"answer","text":"For","tokens":[1],"tokens_per_s":null,"end":"asked"}' ;;
        *'"say":""'*) echo '{"event":"answer","text":" ever after","tokens":[1,2],"tokens_per_s":5.0,"end":"end"}' ;;
        *ever*) echo '{"event":"text","text":"For"}' ;;
        *say*)
            echo '{"event":"text","text":"Good"}'
            echo '{"event":"answer","text":"Good day","tokens":[1,2],"tokens_per_s":5.0,"end":"end"}' ;;
        esac
    done ;;
*) exit 1 ;;
esac
"#;

/// The program, which writes what it was asked beside itself.
pub(crate) fn stand_in(folder: &Path) -> Program {
    use std::os::unix::fs::PermissionsExt;
    answers(folder);
    let path = folder.join("trainyard");
    fs::write(&path, SCRIPT.replace("HERE", folder.to_str().unwrap())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Program::find_in(None, Some(path.as_os_str()), None).unwrap()
}

/// What it was asked, a line a time.
pub(crate) fn asked(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("trainyard asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A folder with what tells a model.
pub(crate) fn model(folder: &Path, name: &str) -> PathBuf {
    let model = folder.join(name);
    fs::create_dir(&model).unwrap();
    fs::write(model.join("config.json"), r#"{"model_type": "llama"}"#).unwrap();
    model
}
