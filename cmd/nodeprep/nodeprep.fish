# fish completion for nodeprep
# SPDX-License-Identifier: Apache-2.0

# The program knows what may follow: its last line says whether files may, too.
function __nodeprep_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$last" 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path "$last"
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c nodeprep -f -a '(__nodeprep_complete)'
complete -c kubectl-nodeprep -f -a '(__nodeprep_complete)'
