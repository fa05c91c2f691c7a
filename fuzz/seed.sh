#!/usr/bin/env bash
# Fills fuzz/corpus with examples of what the targets read. Small ones: the fuzzer cuts and joins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p corpus/profile corpus/plan corpus/schedule_csv corpus/journal corpus/journal_stream corpus/run_file corpus/trace
cp ../assets/*.toml corpus/run_file/

cat > corpus/profile/small.json <<'JSON'
{"format":"trainyard-profile","version":1,"model":{"name":"m","optimizer_bytes_per_param_byte":2,"layers":[
{"name":"x","param_bytes":8,"input_bytes":4,"output_bytes":4,"saved_bytes":16,"weight_saved_bytes":8,"workspace_bytes":2,"skips_to":"z"},
{"name":"y","param_bytes":8,"input_bytes":4,"output_bytes":4,"saved_bytes":16},
{"name":"z","param_bytes":8,"input_bytes":4,"output_bytes":4,"saved_bytes":16,"tied_to":"x"}]},
"devices":[{"id":"a","memory_bytes":1000,"reserve_bytes":10,"forward_us":[1,2,3],"input_grad_us":[1,2,3],"weight_grad_us":[1,2,3],"optimizer_us":5},
{"id":"b","memory_bytes":1000,"forward_us":[1,2,3],"input_grad_us":[1,2,3],"weight_grad_us":[1,2,3],"optimizer_us":[1,2,3]}],
"links":[{"from":"a","to":"b","latency_us":1.5,"bytes_per_us":2}],"default_link":{"latency_us":0,"bytes_per_us":1e3},"micro_batches":4}
JSON
cp ../assets/example-profile.json corpus/profile/
cat > corpus/plan/1f1b.json <<'JSON'
{"format":"trainyard-plan","version":1,"model":"m","stages":[{"device":"a","layers":[0,2],"recompute":"full"},{"device":"b","layers":[2,3]}],
"schedule":{"name":"1f1b","ranks":[["0F0","0F1","0B0","0B1"],["1F0","1I0","1F1","1I1","1W0","1W1"]]},"micro_batches":2}
JSON
cat > corpus/plan/transfers.json <<'JSON'
{"format":"trainyard-plan","version":1,"model":"m","stages":[{"device":"a","layers":[0,1]},{"device":"b","layers":[1,2]},{"device":"a","layers":[2,3]}],
"schedule":{"name":"v","ranks":[["0F0","0SEND_F0","2RECV_F0","2F0","2B0","2SEND_B0","0RECV_B0","0B0"],["1RECV_F0","1F0","1SEND_F0","1RECV_B0","1B0","1SEND_B0"]]},"micro_batches":1}
JSON
printf '0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1\n' > corpus/schedule_csv/1f1b.csv
printf '0F0,,0I0,0W0\n,1F0,1I0,1W0\n' > corpus/schedule_csv/split.csv
printf '0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n' > corpus/schedule_csv/transfers.csv
cat > corpus/journal/run.jsonl <<'JSON'
{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":1,"first_step":0,"steps":9,"model":"gpt","parameters":7,"devices":[{"id":"a","name":"A","budget_bytes":5}]}
{"type":"state","at_ns":1,"state":"running","step":0}
{"type":"action","step":1,"device":0,"lane":"compute","action":"0F0","start_ns":1,"end_ns":5}
{"type":"action","step":1,"device":0,"lane":"transfer_out","action":"0SEND_F0","start_ns":5,"end_ns":9,"bytes":64}
{"type":"memory","at_ns":1,"device":0,"in_use_bytes":2,"peak_bytes":4,"predicted_bytes":5}
{"type":"step","at_ns":9,"step":1,"loss":2.5,"learning_rate":0.001,"grad_norm":null,"step_ns":8,"tokens_per_s":1}
{"type":"checkpoint","at_ns":9,"step":1,"path":"checkpoints/step-1"}
JSON
cat > corpus/trace/small.json <<'JSON'
{"schemaVersion":1,"traceEvents":[{"ph":"M","name":"process_name","pid":1,"args":{"name":"p"}},
{"ph":"X","name":"a","cat":"c","pid":1,"tid":"t","ts":1900000000000000.5,"dur":9,"args":{"x":[1]}},
{"ph":"B","name":"b","pid":1,"tid":2,"ts":1},{"ph":"E","pid":1,"tid":2,"ts":4},{"ph":"C","name":"n","pid":1,"ts":2,"args":{"v":1}},
{"ph":"s","id":1,"cat":"f","pid":1,"tid":2,"ts":2},{"ph":"f","bp":"e","id":1,"cat":"f","pid":1,"tid":"t","ts":3},
{"ph":"X","name":"0F0","pid":1,"tid":1,"ts":5,"dur":2,"args":{"stage":0,"microbatch":0,"step":1,"bytes":0}}]}
JSON
cp corpus/journal/run.jsonl corpus/journal_stream/
