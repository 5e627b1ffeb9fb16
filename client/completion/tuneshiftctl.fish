# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tuneshiftctl(1) in fish.

set -l verbs status loads top profiles show plan profile switch mode pause reload hold release holds knobs verify \
    rearm why history report devices histogram monitor record replay bench compare

function __tuneshiftctl_profiles
    for file in /usr/lib/tuneshift/profiles/*.yaml /etc/tuneshift/profiles/*.yaml
        string replace -r '.*/(.*)\.yaml$' '$1' $file
    end
end

function __tuneshiftctl_disks
    for disk in /sys/block/*
        string replace -r '.*/' '' $disk
    end
end

complete -c tuneshiftctl -f
complete -c tuneshiftctl -s h -l help -d Help
complete -c tuneshiftctl -l json -d 'Print JSON'
complete -c tuneshiftctl -n "not __fish_seen_subcommand_from $verbs" -l version -d 'The version'
complete -c tuneshiftctl -n "not __fish_seen_subcommand_from $verbs" -a "$verbs"
complete -c tuneshiftctl -n '__fish_seen_subcommand_from show plan switch hold' -a '(__tuneshiftctl_profiles)'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from switch' -l auto -d 'Decide again'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from mode' -a 'observe auto manual paused'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from profile' -a import-tuned
complete -c tuneshiftctl -n '__fish_seen_subcommand_from profile' -l directory -r -F
complete -c tuneshiftctl -n '__fish_seen_subcommand_from histogram' -a '(__tuneshiftctl_disks)'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from loads' -s f -l follow -d 'Until Ctrl-C'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from loads' -s a -l all -d 'All of them'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from top' -s b -l batch -d 'Print text'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from top' -s n -l count -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from top' -s i -l interval -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from hold' -l for -x -d 'End after'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from hold' -l pid -x -a '(__fish_complete_pids)'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from hold show plan' -s d -l device -x -a '(__tuneshiftctl_disks)'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from hold' -l reason -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from history report' -l since -x -a 'today yesterday 10m 1h'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from record' -l for -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from record' -l hash-paths -d 'Hide names'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from record' -l force -d Overwrite
complete -c tuneshiftctl -n '__fish_seen_subcommand_from replay' -l profiles -r -F
complete -c tuneshiftctl -n '__fish_seen_subcommand_from replay' -l check -d 'Fail at a difference'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from bench' -l block -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from bench' -l depth -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from bench' -l order -x -a 'auto random sequential'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from bench' -l size -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from bench' -l seconds -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from compare' -l reader -x -a 'mmap tensor random read threads direct'
complete -c tuneshiftctl -n '__fish_seen_subcommand_from compare' -l rounds -x
complete -c tuneshiftctl -n '__fish_seen_subcommand_from compare' -l html -r -F
complete -c tuneshiftctl -n '__fish_seen_subcommand_from why record replay bench compare' -F
