// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Glibc
import Inventory
import SystemPackage

struct AgentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Follow the host's devices with the policy in force.",
        discussion: """
            The agent has devices judged as soon as they come that an entry of the policy means, lets go of those \
            that left, follows renames and moves between bridges, and puts back what somebody took off. It never \
            decides about a packet: when it is ended, killed or upgraded, the kernel goes on as before, and devices \
            that come then wait for the next agent, `apply` or `admit`.

            A policy that is in force stays in force when the agent starts. Only where none is, the policy's file is \
            put in force. SIGHUP reads the file again; if it is refused, what is in force stays, and the log says \
            why. There is one agent per instance. The log goes to standard error.

            With an inventory, a policy's `workload` and `workloads` name guests: `--inventory file:PATH` reads lines \
            of JSON, each {"add": {"name": "web-1", "labels": {"tier": "web"}, "interfaces": [{"device": "vnet0", \
            "mac": "52:54:00:00:00:01", "addresses": ["198.51.100.10"]}]}}. `podman` and `docker` ask a container \
            engine through its socket, which a path after a colon names: `podman:/run/podman/podman.sock`. `libvirt` \
            asks libvirt's daemon, through the library libvirt0, `incus` that of Incus, and `proxmox` reads the \
            files of /etc/pve. Several sources stand beside each other. A change is in force at once. While a source \
            is away, what it said before holds. \
            What the agent knows stays with `check`, `apply` and all other commands when it ends.

            With --control it serves commands of users who are not root at a Unix socket: members of a group may read, \
            those of another may change things too. See "The control socket" in operations.md.

            With --metrics it serves figures to Prometheus and the like, at a Unix socket or a loopback address: \
            /metrics, /healthz (the agent runs) and /readyz (the policy is in force at every port).

            The program is `bulkhead-agent`, beside this one. The unit is `bulkhead-agent.service`.

            Example:
              systemctl enable --now bulkhead-agent
              bulkhead agent policy.yaml
              bulkhead agent --control default
              bulkhead agent --metrics unix:/run/bulkhead/metrics
              bulkhead agent --inventory podman --inventory file:/etc/bulkhead/workloads.jsonl
            """)

    @Argument(
        help: "The policy file that is read at SIGHUP, and at the start where no policy is in force.",
        completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @OptionGroup var instance: InstanceOptions
    @Option(
        name: .customLong("inventory"),
        help: ArgumentHelp(
            "Who knows workloads by name: \(SourceText.forms). May be repeated. Left out: "
                + "file:\(SourceText.standardFile).",
            valueName: "source"))
    var inventory: [String] = []
    @Option(
        help: ArgumentHelp(
            "Where metrics are served: unix:/PATH, 127.0.0.1:PORT or [::1]:PORT. Left out: nowhere.",
            valueName: "address"))
    var metrics: String?
    @Option(
        help: ArgumentHelp(
            "Where commands of users who are not root are served: `default` is /run/bulkhead/INSTANCE.control. Left "
                + "out: nowhere.", valueName: "path"))
    var control: String?
    @Option(
        help: ArgumentHelp(
            "The group whose members may read at the control socket; bulkhead-readers if left out.",
            valueName: "group"))
    var readers: String?
    @Option(
        help: ArgumentHelp(
            "The group whose members may also change things there; bulkhead-operators if left out.",
            valueName: "group"))
    var operators: String?

    func run() throws {
        let path = Program.beside("bulkhead-agent")
        let words =
            [path, policy, "--instance", instance.name] + inventory.flatMap { ["--inventory", $0] }
            + [("--metrics", metrics), ("--control", control), ("--readers", readers), ("--operators", operators)]
            .flatMap { name, value in value.map { [name, $0] } ?? [] }
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        unsafe execv(path, &arguments)
        throw Refusal(
            "cannot run \(path): \(Errno(rawValue: errno))",
            advice: "install bulkhead-agent beside this program: the package has both")
    }
}

/// Other programs of the same installation.
enum Program {
    /// The path of a program in the folder that this one is in.
    static func beside(_ name: String) -> String {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/self/exe", &bytes, bytes.count)
        let own = String(decoding: bytes.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let slash = own.lastIndex(of: "/") else { return name }
        return own[...slash] + name
    }
}
