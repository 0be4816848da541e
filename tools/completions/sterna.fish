# fish completion for sterna
function __sterna_verb
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end
function __sterna_subverb
    set -l words (commandline -opc)
    test (count $words) -ge 3; and test $words[2] = index; and contains -- $words[3] $argv
end
set -l verbs ask classify embed index search eval model version help
complete -c sterna -n "not __sterna_verb $verbs" -a ask -d "Ask pictures a question" -f
complete -c sterna -n "not __sterna_verb $verbs" -a classify -d "Name the best of some labels" -f
complete -c sterna -n "not __sterna_verb $verbs" -a embed -d "Turn pictures or texts into vectors" -f
complete -c sterna -n "not __sterna_verb $verbs" -a index -d "Make an index of pictures" -f
complete -c sterna -n "not __sterna_verb $verbs" -a search -d "Find pictures in an index" -f
complete -c sterna -n "not __sterna_verb $verbs" -a eval -d "Count right answers" -f
complete -c sterna -n "not __sterna_verb $verbs" -a model -d "Look into a model file" -f
complete -c sterna -n "not __sterna_verb $verbs" -a version -d "Print the version" -f
complete -c sterna -n "not __sterna_verb $verbs" -a help -d "Print help" -f
complete -c sterna -l json -d "One JSON object a line"
complete -c sterna -s h -l help -d "Print help"
set -l runs ask classify embed index search eval
complete -c sterna -n "__sterna_verb $runs" -l model -rF -d "Model file"
complete -c sterna -n "__sterna_verb $runs" -l threads -x -d "Threads, 0 = all cores"
complete -c sterna -n "__sterna_verb $runs" -l isa -x -a "scalar avx2 avx512 neon" -d "Instruction set"
complete -c sterna -n "__sterna_verb ask" -l choices -x -d "Possible answers"
complete -c sterna -n "__sterna_verb ask" -l answers -rF -d "Possible answers, one a line"
complete -c sterna -n "__sterna_verb ask" -l batch -rF -d "Questions, a JSON object a line"
complete -c sterna -n "__sterna_verb ask classify search" -l top -x -d "Show the N best"
complete -c sterna -n "__sterna_verb classify" -l labels -x -d "Labels"
complete -c sterna -n "__sterna_verb classify" -l labels-file -rF -d "Labels, one a line"
complete -c sterna -n "__sterna_verb classify" -l question -x -d "What the labels answer"
complete -c sterna -n "__sterna_verb embed" -s o -l output -rF -d "OUT.npy or OUT.jsonl"
complete -c sterna -n "__sterna_verb embed" -l list -rF -d "Names of inputs"
complete -c sterna -n "__sterna_verb embed" -s 0 -l null -d "Names end in a NUL"
complete -c sterna -n "__sterna_verb embed" -l text -d "Inputs are texts"
complete -c sterna -n "__sterna_verb embed" -l text-file -rF -d "Every line is a text"
complete -c sterna -n "__sterna_verb embed" -l fresh -d "Compute everything anew"
complete -c sterna -n "__sterna_verb index; and not __sterna_subverb build add search" -f -a "build add search"
complete -c sterna -n "__sterna_subverb build" -s o -l output -rF -d "The index"
complete -c sterna -n "__sterna_subverb build" -l type -x -a "Flat SQ8 HNSW32" -d "Kind of FAISS index"
complete -c sterna -n "__sterna_verb search; or __sterna_subverb search" -l image -rF -d "A picture to look for"
complete -c sterna -n "__sterna_subverb search" -l top -x -d "How many"
complete -c sterna -n "__sterna_verb model" -a "info quantize"
complete -c sterna -n "__sterna_verb model" -l types -x -d "Rules of model quantize"
