# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tuneshiftctl(1) in bash.

# Without asking the daemon: these are files.
_tuneshiftctl_profiles() {
  local file
  for file in /usr/lib/tuneshift/profiles/*.yaml /etc/tuneshift/profiles/*.yaml; do
    [[ -f $file ]] || continue
    file=${file##*/}
    printf '%s\n' "${file%.yaml}"
  done
}

_tuneshiftctl() {
  local cur prev words cword
  _init_completion -n : || return
  local verbs='status loads top profiles show plan profile switch mode pause reload hold release holds knobs verify
    rearm why history report devices histogram monitor record replay bench compare'
  local verb='' i
  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      -*) ;;
      *) verb=${words[i]}; break ;;
    esac
  done
  # A command of hold's completes as itself.
  if [[ $verb == hold ]]; then
    for ((; i < cword; i++)); do
      [[ ${words[i]} == -- ]] && { _command_offset $((i + 1)); return; }
    done
  fi

  case $prev in
    --device | -d) COMPREPLY=($(compgen -W "$(ls /sys/block 2>/dev/null)" -- "$cur")); return ;;
    --pid) _pids; return ;;
    --reader) COMPREPLY=($(compgen -W 'mmap tensor random read threads direct' -- "$cur")); return ;;
    --order) COMPREPLY=($(compgen -W 'auto random sequential' -- "$cur")); return ;;
    --profiles | --directory) _filedir -d; return ;;
    --html) _filedir; return ;;
    --since) COMPREPLY=($(compgen -W 'today yesterday 10m 1h' -- "$cur")); return ;;
    --for | --rounds | --reason | --size | --seconds | --block | --depth | --count | -n | --interval | -i) return ;;
  esac

  if [[ $cur == -* ]]; then
    local options='--help --json'
    case $verb in
      '') options+=' --version' ;;
      loads) options+=' --follow --all' ;;
      top) options+=' --batch --count --interval' ;;
      show | plan) options+=' --device' ;;
      hold) options+=' --for --pid --device --reason --' ;;
      switch) options+=' --auto' ;;
      history | report) options+=' --since' ;;
      record) options+=' --for --hash-paths --force' ;;
      replay) options+=' --profiles --check' ;;
      bench) options+=' --block --depth --order --size --seconds' ;;
      compare) options+=' --reader --rounds --html' ;;
      profile) options+=' --directory' ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  fi

  case $verb in
    '') COMPREPLY=($(compgen -W "$verbs" -- "$cur")) ;;
    show | plan | hold | switch) COMPREPLY=($(compgen -W "$(_tuneshiftctl_profiles)" -- "$cur")) ;;
    mode) COMPREPLY=($(compgen -W 'observe auto manual paused' -- "$cur")) ;;
    profile) COMPREPLY=($(compgen -W 'import-tuned' -- "$cur")) ;;
    histogram) COMPREPLY=($(compgen -W "$(ls /sys/block 2>/dev/null)" -- "$cur")) ;;
    why | record | replay | bench | compare) _filedir ;;
  esac
}

complete -F _tuneshiftctl tuneshiftctl
