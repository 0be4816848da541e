# bash completion for sterna
_sterna() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local verbs="ask classify embed index search eval model version help"
  local model="--model --threads --isa --json --help"
  COMPREPLY=()
  case $before in
    --isa) COMPREPLY=($(compgen -W "scalar avx2 avx512 neon" -- "$word")) && return ;;
    --type) COMPREPLY=($(compgen -W "Flat SQ8 HNSW32 IVF1024,SQ8" -- "$word")) && return ;;
    --model | --answers | --batch | --labels-file | --list | --text-file | --image | -o | --output)
      compopt -o filenames && COMPREPLY=($(compgen -f -- "$word")) && return ;;
    --threads | --top | --choices | --labels | --question) return ;;
  esac
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "$verbs --help --version" -- "$word"))
    return
  fi
  local options=
  case ${COMP_WORDS[1]} in
    ask) options="$model --choices --answers --top --batch" ;;
    classify) options="$model --labels --labels-file --question --top" ;;
    embed) options="$model -o --output --list -0 --null --text --text-file --fresh" ;;
    index)
      if ((COMP_CWORD == 2)); then
        COMPREPLY=($(compgen -W "build add search --help" -- "$word"))
        return
      fi
      case ${COMP_WORDS[2]} in
        build) options="$model -o --output --type" ;;
        add) options="$model" ;;
        search) options="$model --image --top" ;;
      esac ;;
    search) options="$model --image --top" ;;
    eval) options="$model" ;;
    model)
      if ((COMP_CWORD == 2)); then
        COMPREPLY=($(compgen -W "info quantize --help" -- "$word"))
        return
      fi
      options="--types --json --help" ;;
    version) options="--json --help" ;;
    help) COMPREPLY=($(compgen -W "$verbs" -- "$word")) && return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  else
    compopt -o filenames
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _sterna sterna
