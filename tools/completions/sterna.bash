# bash completion for sterna. Verbs and options are asked of the program itself.
_sterna_words() {  # the first words of the indented lines of a help text, or its options
  case $1 in
    verbs) sterna --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' ;;
    options) sterna "${@:2}" --help 2>/dev/null | grep -oE '^ +(-[a-zA-Z0-9], )?--[a-z][a-z-]*' |
      tr -d ',' ;;
  esac
}
_sterna() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local verb=("${COMP_WORDS[1]}") subverbs=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "$(_sterna_words verbs) help --help --version" -- "$word"))
    return
  fi
  case ${verb[0]} in
    help) COMPREPLY=($(compgen -W "$(_sterna_words verbs)" -- "$word")) && return ;;
    index) subverbs="build add search" ;;
    model) subverbs="info convert quantize check pull" ;;
    bench) subverbs="kernels towers model giant decode" ;;
  esac
  if [ -n "$subverbs" ] && ((COMP_CWORD == 2)) && [[ $word != -* ]]; then
    COMPREPLY=($(compgen -W "$subverbs" -- "$word"))
    return
  fi
  case ${verb[0]} in
    index | model) ((COMP_CWORD == 2)) || verb+=("${COMP_WORDS[2]}") ;;
  esac
  case $before in
    --isa) COMPREPLY=($(compgen -W "scalar avx2 avxvnni avx512 amx neon" -- "$word")) && return ;;
    --type)
      [[ ${verb[0]} == model ]] && return  # PATTERN=FORMAT: nothing to offer
      COMPREPLY=($(compgen -W "Flat SQ8 HNSW32 IVF1024,SQ8" -- "$word")) && return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$(_sterna_words options "${verb[@]}")" -- "$word"))
  else
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _sterna sterna
