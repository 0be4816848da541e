#!/bin/sh
# From nothing to WORK/nano-float.gguf: installs the pinned packages, checks the weights' hashes, builds
# the data, trains the ternary network and the generator, calibrates, exports, evaluates; then trains the float
# twin and evaluates both beside each other. Every step resumes. About two hours to the
# file on two free cores, another for the twin.
#
# usage: train.sh WORK [--photos DIR] [--cifar DIR] [--steps N] [--questions FILE.jsonl]
# N is the length of the schedule; training stops after 69 % of it (step 3,450 of 5,000), see models/README.md.
# Without --photos the data is composed scenes alone (stamps and clip art): enough to test the recipe,
# not to repeat the shipped model.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,12p' "$0"; exit 2; }
work=$1
shift
photos= cifar= steps=5000 questions=
while [ $# -gt 0 ]; do
  case $1 in
    --photos) photos=$2 ;;
    --cifar) cifar=$2 ;;
    --steps) steps=$2 ;;
    --questions) questions=$2 ;;
    *) echo "train.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
mkdir -p "$work"

for folder in /usr/share/tuxpaint/stamps /usr/share/openclipart/png /usr/share/wordnet; do
  [ -d "$folder" ] || { echo "train.sh: $folder is missing: apt-get install openclipart-png tuxpaint-stamps-default wordnet" >&2; exit 2; }
done
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet -r "$here/requirements.txt"
fi
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
(cd "$site" && sha256sum --check --quiet "$here/weights.sha256")

# Without these PyTorch spends most of its time in page faults on small machines.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export OMP_WAIT_POLICY=passive KMP_BLOCKTIME=0 TOKENIZERS_PARALLELISM=false
run() { script=$1; shift; "$work/venv/bin/python" "$here/$script" --work "$work" "$@"; }

run data.py ${photos:+--photos "$photos"} ${cifar:+--cifar "$cifar"}
stop=$((steps * 69 / 100))
run train.py --mode ternary --steps "$steps" --stop "$stop"
run calibrate.py
run generator.py
run captions.py --calibrate
run export.py --out "$work/nano-float.gguf"
evaluate() { run evaluate.py ${questions:+--questions "$questions"} --json "$work/evaluation.jsonl" "$@"; }
evaluate --checkpoints "$work/ternary.pt"
run captions.py
run train.py --mode float --steps "$steps" --stop "$stop"
run calibrate.py --checkpoint "$work/float.pt"
evaluate
