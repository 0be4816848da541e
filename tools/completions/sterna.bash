# bash completion for sterna. Verbs and options are asked of the program itself.
_sterna_words() {  # what a help text lists: its verbs, or the options of a verb
  case $1 in
    verbs) sterna --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' ;;
    options)  # in their column alone: what is told of one, and examples, name others
      sterna "${@:2}" --help 2>/dev/null |
        sed -nE '/^Examples:/q; s/^  ((-[a-zA-Z0-9]), |    )(--[a-z][a-z-]*).*/\2 \3/p' ;;
  esac
}
_sterna_offer() {  # what `compgen` finds, each line a word whatever is in it
  mapfile -t COMPREPLY < <(compgen "$@")
}
_sterna() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local verb=() subverbs= at=1
  COMPREPLY=()
  # Options of every verb may stand before it, some with a value.
  while ((at < COMP_CWORD)) && [[ ${COMP_WORDS[at]} == -* ]]; do
    case ${COMP_WORDS[at]} in
      --model | --threads | --isa)
        [[ ${COMP_WORDS[at + 1]} == = ]] && ((at += 1))
        ((at += 2))
        ;;
      *) ((at += 1)) ;;
    esac
  done
  if ((COMP_CWORD == at)); then
    _sterna_offer -W "$(_sterna_words verbs) help --help --version --json --model --threads --isa" \
      -- "$word"
    return
  fi
  ((COMP_CWORD < at)) || verb=("${COMP_WORDS[at]}")
  case ${verb[0]} in
    help) _sterna_offer -W "$(_sterna_words verbs)" -- "$word" && return ;;
    index) subverbs="build add search" ;;
    model) subverbs="info convert quantize check pull" ;;
    bench) subverbs="kernels towers model giant decode" ;;
  esac
  if [ -n "$subverbs" ] && ((COMP_CWORD == at + 1)) && [[ $word != -* ]]; then
    _sterna_offer -W "$subverbs" -- "$word"
    return
  fi
  case ${verb[0]} in
    index | model) ((COMP_CWORD == at + 1)) || verb+=("${COMP_WORDS[at + 1]}") ;;
  esac
  case $before in
    --isa) _sterna_offer -W "scalar avx2 avxvnni avx512 amx neon" -- "$word" && return ;;
    --threads) return ;;
    --type)
      [[ ${verb[0]} == model ]] && return  # PATTERN=FORMAT: nothing to offer
      _sterna_offer -W "Flat SQ8 HNSW32 IVF1024,SQ8" -- "$word" && return ;;
  esac
  if [[ $word == -* ]]; then
    _sterna_offer -W "$(_sterna_words options "${verb[@]}")" -- "$word"
  else
    compopt -o filenames 2>/dev/null
    _sterna_offer -f -- "$word"
  fi
}
complete -F _sterna sterna
