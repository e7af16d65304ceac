// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// A local user without privilege, where the BPF file system is open to everybody, as `mount -t bpf` leaves it.
    /// Each test has its own host: process, mount and network namespaces that the command takes for the host's own.
    @Suite(.serialized) struct LocalUserTests {
        private static let user = "setpriv --reuid 65534 --regid 65534 --clear-groups"

        /// Runs a script as root of such a host, with `bulkhead` and `policy` defined. The first failing command ends
        /// it.
        private static func host(_ script: String, mode: String) throws -> CommandResult {
            let lab = try Lab()
            let policy = try lab.file(
                "policy.yaml", "version: 1\nports: { uplink: { interface: d0, protects: host, mode: tc } }\n")
            let setup = """
                set -e
                mount -t bpf -o mode=\(mode) bpf /sys/fs/bpf
                ip link add d0 type veth peer name d1
                ip link set d0 up
                bulkhead() { \(Bulkhead.executable) "$@" 2>&1; }
                refused() { if text=$(bulkhead "${@:2}"); then echo "taken: ${*:2}"; exit 9; fi
                            case $text in *"$1"*) ;; *) echo "${*:2} said: $text"; exit 8;; esac; }
                user="\(user)"
                policy=\(policy)
                cd /sys/fs/bpf
                left() { ls -I '*.debug'; }

                """
            return try Shell.run(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "bash", "-c", setup + script],
                seconds: 120)
        }

        private static func passes(
            _ script: String, mode: String = "1777", sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let result = try host(script, mode: mode)
            #expect(result.status == 0, "\(result.output)\(result.errors)", sourceLocation: sourceLocation)
        }

        @Test func whoMakesTheFolderFirstDoesNotOwnTheInstance() throws {
            try Self.passes(
                """
                $user mkdir -m 0700 bulkhead
                for command in "apply $policy" status counters show drops flows "group list" "quarantine uplink" \\
                    "release uplink" "detach uplink" "detach --all"; do
                    refused "/sys/fs/bpf/bulkhead belongs to user 65534" $command
                    refused "mode=0700" $command
                done
                test -z "$(tc filter show dev d0 ingress)$(find bulkhead -mindepth 1)"
                rmdir bulkhead
                bulkhead apply $policy
                bulkhead status
                """)
        }

        @Test func anInstanceIsOutOfOthersReach() throws {
            try Self.passes(
                """
                bulkhead apply $policy
                test "$(find . -mindepth 1 -perm /077 -not -type f | wc -l)" = 0
                for attempt in "rm -rf bulkhead" "rm -rf bulkhead/links" "mv bulkhead stolen" \\
                    "flock -n bulkhead true" "ls bulkhead" "ln -sfn /tmp bulkhead/links"; do
                    ! $user $attempt 2>/dev/null
                done
                bulkhead status | grep enforcing
                bulkhead detach --all
                test -z "$(left)"
                """)
        }

        @Test(arguments: ["cilium", "tc", "xdp"]) func anotherToolsFolderIsNotTouched(name: String) throws {
            for mode in ["0755", "0700"] {
                try Self.passes(
                    """
                    mkdir -p -m \(mode) \(name) \(name)/globals \(name)/maps
                    before=$(find . -printf '%p %m %U %i\\n' | sort)
                    for command in "apply $policy" status "detach --all" "detach uplink" drops; do
                        refused "/sys/fs/bpf/\(name)" $command --instance \(name)
                    done
                    test "$before" = "$(find . -printf '%p %m %U %i\\n' | sort)"
                    """)
            }
        }

        @Test func aFileSystemThatOthersMayRearrangeIsRefused() throws {
            try Self.passes("chmod 0777 .; refused 'others may rename and remove' apply $policy; test -z \"$(left)\"")
            try Self.passes(
                "chown 65534 .; refused 'belongs to user 65534' apply $policy; test -z \"$(left)\"", mode: "0700")
            try Self.passes("bulkhead apply $policy; bulkhead status; bulkhead detach --all", mode: "0700")
        }

        @Test func detachDoesNotFollowALink() throws {
            try Self.passes(
                """
                mkdir -m 0700 victim victim/a
                $user ln -s /sys/fs/bpf/victim x
                refused "symbolic link" detach --all --instance x
                test -d victim/a && test -L x
                """)
        }

        /// The user's folder, in which folders and links to root's own folder are swapped as fast as possible.
        private static let rearranging = """
            import os
            while True:
                for call in (lambda: os.mkdir("x", 0o700), lambda: os.mkdir("x/maps"), lambda: os.mkdir("x/links"),
                             lambda: os.mkdir("spare"), lambda: os.symlink("/sys/fs/bpf/victim", "link"),
                             lambda: os.rename("x/maps", "spare"), lambda: os.rename("link", "x/maps"),
                             lambda: os.rename("x/maps", "link"), lambda: os.rename("spare", "x/maps"),
                             lambda: os.rename("x/links", "x/maps/l"),
                             lambda: os.symlink("/sys/fs/bpf/victim", "x/links"),
                             lambda: os.unlink("x/links"), lambda: os.rename("x", "y"),
                             lambda: os.symlink("/sys/fs/bpf/victim", "x"), lambda: os.unlink("x"),
                             lambda: os.rename("y", "x")):
                    try: call()
                    except OSError: pass
            """

        @Test func detachDoesNotFollowWhatIsRearranged() throws {
            try Self.passes(
                """
                mkdir -m 0700 victim victim/a victim/b victim/a/c
                $user /usr/bin/python3 -c '\(Self.rearranging)' &
                for run in $(seq 60); do bulkhead detach --all --instance x || true; done >/dev/null
                kill $!
                test "$(find victim | sort | tr '\\n' ' ')" = "victim victim/a victim/a/c victim/b "
                """)
        }
    }
}
