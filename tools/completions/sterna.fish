# fish completion for sterna. Verbs and options are asked of the program itself.
function __sterna_options
    set -l words (commandline -opc)
    set -l verb $words[2]
    if contains -- $verb index model; and test (count $words) -ge 3
        set verb $verb $words[3]
    end
    sterna $verb --help 2>/dev/null | string match -r -a -- '--[a-z][a-z-]*' | sort -u
end
function __sterna_words
    test (count (commandline -opc)) -eq $argv[1]
end
function __sterna_verb
    set -l words (commandline -opc)
    test (count $words) -eq 2; and test $words[2] = $argv[1]
end
complete -c sterna -n "__sterna_words 1" -f -a "(sterna --help 2>/dev/null | string replace -rf '^  ([a-z]+)  +(.*)' '\$1\t\$2') help"
complete -c sterna -n "__sterna_verb index" -f -a "build add search"
complete -c sterna -n "__sterna_verb model" -f -a "info convert quantize check pull"
complete -c sterna -n "__sterna_verb bench" -f -a "kernels towers model giant decode"
complete -c sterna -n "not __sterna_words 1; and string match -q -- '-*' (commandline -ct)" -f -a "(__sterna_options)"
