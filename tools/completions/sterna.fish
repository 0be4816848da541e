# fish completion for sterna. Verbs and options are asked of the program itself.
function __sterna_words # the finished words from the verb on
    set -l words (commandline -opc)
    set -e words[1]
    # Options of every verb may stand before it, some with a value.
    while set -q words[1]; and string match -q -- '-*' $words[1]
        if contains -- $words[1] --model --threads --isa
            set -q words[2]; or break # the value is what is being written
            set -e words[1]
        end
        set -e words[1]
    end
    string join \n -- $words
end
function __sterna_options
    set -l verb (__sterna_words)
    if contains -- $verb[1] index model
        set verb $verb[1..2]
    else
        set verb $verb[1]
    end
    # In their column alone: what is told of one, and examples, name others.
    sterna $verb --help 2>/dev/null | sed -nE '/^Examples:/q; s/^  (-[a-zA-Z0-9], |    )(--[a-z][a-z-]*).*/\2/p'
end
function __sterna_has_words
    test (count (__sterna_words)) -eq $argv[1]
end
function __sterna_verb
    set -l words (__sterna_words)
    test (count $words) -eq 1; and test $words[1] = $argv[1]
end
complete -c sterna -n "__sterna_has_words 0" -f -a "(sterna --help 2>/dev/null | string replace -rf '^  ([a-z]+)  +(.*)' '\$1\t\$2') help"
complete -c sterna -n "__sterna_has_words 0; and string match -q -- '-*' (commandline -ct)" -f -a "--help --version --json --model --threads --isa"
complete -c sterna -n "__sterna_verb index" -f -a "build add search"
complete -c sterna -n "__sterna_verb model" -f -a "info convert quantize check pull"
complete -c sterna -n "__sterna_verb bench" -f -a "kernels towers model giant decode"
complete -c sterna -n "not __sterna_has_words 0; and string match -q -- '-*' (commandline -ct)" -f -a "(__sterna_options)"
