// SPDX-License-Identifier: Apache-2.0
import Control

/// What the page of a command says besides its help: how it ends, which files it touches, and what to read next. It
/// is written here alone, so that every kind of page is made from the same words.
struct CommandNotes: Sendable {
    /// What an exit status means.
    struct Exit: Sendable {
        var status: ExitStatus
        var meaning: String
    }

    /// A file, and what the command does with it.
    struct File: Sendable {
        var path: String
        var purpose: String
    }

    var exits: [Exit]
    var files: [File]
    /// Other commands, by their names without `bulkhead`.
    var related: [String]
    /// Pages of `docs/` that say more: a path from there, and a title.
    var reading: [(path: String, title: String)]

    /// - Parameters:
    ///   - done: what it means that the command ends with 0.
    ///   - failed: what it means that it ends with 1.
    ///   - different: what it means that it ends with 2; nil: it never does.
    ///   - notEnforced: what it means that it ends with 3; nil: it never does.
    init(
        done: String, failed: String, different: String? = nil, notEnforced: String? = nil, files: [File],
        related: [String], reading: [(path: String, title: String)]
    ) {
        exits = [Exit(status: .done, meaning: done), Exit(status: .failed, meaning: failed)]
        if let different { exits.append(Exit(status: .different, meaning: different)) }
        if let notEnforced { exits.append(Exit(status: .notEnforced, meaning: notEnforced)) }
        exits.append(
            Exit(
                status: .usage,
                meaning: "The command line is wrong. Nothing was done; standard error has the usage."))
        self.files = files
        self.related = related
        self.reading = reading
    }
}

extension CommandNotes.File {
    static let standardPolicy = Self(path: standardPolicyPath, purpose: "The policy that is read if none is named.")
    static let fallbackPolicy = Self(
        path: PolicyAtBoot.fallbackPath,
        purpose: "What `--boot` takes if the policy is refused, and none was kept.")
    static let kept = Self(
        path: Controller.keptPath,
        purpose: "The last policy that was put in force, with all of its files, kept for the next start of the host.")
    static let instance = Self(
        path: "\(Controller.root)/INSTANCE",
        purpose:
            "The instance's folder: its pinned programs, maps and links. The policy is in force as long as they are.")
    static let types = Self(
        path: "/sys/kernel/btf/vmlinux", purpose: "The kernel's description of its own types. The programs need it.")
    static let namespaces = Self(
        path: "/run/netns/NAME", purpose: "The network namespaces that a policy names with `netns`.")
    static let agentLock = Self(
        path: "/run/bulkhead/INSTANCE.agent", purpose: "Locked by the instance's agent; holds its process number.")
    static let control = Self(
        path: "/run/bulkhead/INSTANCE.control",
        purpose: "Where the agent serves users who are not root, if `--control default` is given.")
    static let gracePeriods = Self(
        path: Controller.gracePeriodSetting,
        purpose: "Set to 1 for the moment of the change, so that the kernel waits less at its hooks; then set back.")
}
