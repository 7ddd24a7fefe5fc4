# Removes everything that the test run with process id $1 made: namespaces with their processes, cgroups, mounts, files.
run=$1

for ns in $(ip netns list 2>/dev/null | cut -d ' ' -f 1 | grep "^ictest-$run-"); do
    for pid in $(ip netns pids "$ns" 2>/dev/null); do
        # The run itself may still have a thread in there; it is not ours to end.
        [ "$pid" = "$run" ] || kill -9 "$pid" 2>/dev/null
    done
    ip netns delete "$ns"
    rm -rf "/etc/netns/$ns"
done
rmdir /etc/netns 2>/dev/null

cgroups=$(while read -r _ _ _ _ mount rest; do
    case "$rest" in *" - cgroup2 "*) echo "$mount"; break ;; esac
done < /proc/self/mountinfo)
for cgroup in "$cgroups/interceptor-test-$run-"*; do
    [ -d "$cgroup" ] || continue
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        # Linux 5.14; before, one by one.
        if [ -e "$cgroup/cgroup.kill" ]; then
            echo 1 > "$cgroup/cgroup.kill"
        else
            xargs -r kill -9 < "$cgroup/cgroup.procs" 2>/dev/null
        fi
        find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
        [ -d "$cgroup" ] || break
        sleep 0.05
    done
done

# Container runtimes make the same beside, where a host has v1 hierarchies too.
while read -r _ _ _ _ mount rest; do
    case "$rest" in *" - cgroup "*) ;; *) continue ;; esac
    for cgroup in "$mount/interceptor-test-$run-"*; do
        [ -d "$cgroup" ] && find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
done < /proc/self/mountinfo

for dir in /tmp/ictest-"$run"-*; do
    [ -d "$dir" ] || continue
    while read -r _ _ _ _ mount _; do
        case "$mount" in "$dir"/*) umount -l "$mount" 2>/dev/null ;; esac
    done < /proc/self/mountinfo
    rm -rf "$dir"
done
exit 0
