// SPDX-License-Identifier: Apache-2.0

extension CommandNotes {
    /// The notes of every command, by its name without `bulkhead`.
    static let byCommand: [String: CommandNotes] = [
        "": all,
        "check": check, "diff": diff, "apply": apply, "confirm": confirm, "rollback": rollback, "log": log,
        "show": show, "status": status, "counters": counters, "flows": flows, "drops": drops,
        "shadow": shadow, "explain": explain,
        "reach": reach, "replay": replay, "import": importing, "init": initial, "schema": schema,
        "quarantine": quarantine, "release": release, "detach": detach, "admit": admit, "agent": agent,
        "group": group, "group add": groupAdd, "group delete": groupDelete, "group list": groupList,
        "group flush": groupFlush,
    ]

    private static let language = (path: "policy.md", title: "the policy language")
    private static let changes = (
        path: "guides/changing-a-policy-safely.md", title: "changing a policy safely"
    )
    private static let operations = (path: "operations.md", title: "operations")
    private static let trials = (path: "trial.md", title: "a trial that reverts by itself")
    private static let refusals = (path: "operations.md#refusals", title: "refusals and what to do")
    private static let boot = (path: "operations.md#at-boot", title: "at boot")
    private static let questions = (path: "operations.md#questions", title: "questions")
    private static let following = (
        path: "operations.md#devices-that-come-and-go", title: "devices that come and go"
    )
    private static let quarantines = (path: "operations.md#cutting-a-port-off", title: "cutting a port off")
    private static let bringing = (path: "guides/bringing-rules-along.md", title: "bringing rules along")
    private static let members = (path: "operations.md#changing-who-is-in-a-group", title: "changing who is in a group")
    private static let dynamicGroups = (path: "policy.md#dynamic-groups", title: "dynamic groups in a policy")

    private static let notRead =
        "The answer cannot be read: no policy is in force, or a privilege is missing. Standard error says which."
    private static let unchanged = "Nothing was changed. Standard error says why and what to do."

    private static let all = CommandNotes(
        done: "Done. A stream that was interrupted, or whose reader closed the pipe, counts as done.",
        failed: "Refused or failed. Standard error says why and what to do.",
        files: [.standardPolicy, .instance, .types, .namespaces, .gracePeriods],
        related: [], reading: [language, operations])

    private static let check = CommandNotes(
        done: "The policy is valid. It may have warnings, unless `--strict` is given.",
        failed: "The policy has errors, or warnings with `--strict`, or cannot be read.",
        files: [.standardPolicy, .namespaces], related: ["diff", "apply", "explain", "replay"],
        reading: [language, changes])

    private static let diff = CommandNotes(
        done: "The policies were compared, whatever changes. With `--exit-code`: and no traffic changes.",
        failed: "A policy or the file of flows cannot be read or has errors, or no policy is in force.",
        different: """
            With `--exit-code`: the policies were compared, and some traffic changes its verdict, a port comes or \
            goes, or the policies are too large to tell.
            """,
        files: [.instance, .namespaces], related: ["check", "reach", "apply"], reading: [changes])

    private static let admit = CommandNotes(
        done: "Every packet of the device is judged, and no gate holds it.",
        failed: "There is no such device, no entry means it, it cannot be enforced, or no policy is in force.",
        files: [.instance, .namespaces], related: ["status", "agent", "apply"], reading: [following])

    private static let agent = CommandNotes(
        done: "The agent was told to end. What is in force stays in force.",
        failed: "Another agent follows the instance, or `bulkhead-agent` is not installed beside `bulkhead`.",
        files: [.standardPolicy, .instance, .namespaces, .agentLock, .control], related: ["admit", "status", "apply"],
        reading: [following])

    private static let reach = CommandNotes(
        done: "The question was answered, also if nobody can.",
        failed: "A group, port or service is unknown, the policy has errors, or none is in force.",
        files: [.instance, .namespaces], related: ["explain", "diff", "check"], reading: [changes, questions])

    private static let initial = CommandNotes(
        done: "The policy was printed.", failed: "The host's devices cannot be read, or none of them can be a port.",
        files: [], related: ["check", "apply", "import"], reading: [language, changes])

    private static let apply = CommandNotes(
        done:
            "The policy is in force. With `--dry-run`: it was compiled, and this host has what it names. With"
            + " `--trial` on a terminal: it was confirmed.",
        failed:
            "The policy was refused, or could not be loaded, or its trial was watched and ended. What was in force"
            + " before still is, or is again. With `--boot`, where nothing was: another policy is in force in its"
            + " place, and standard error says which.",
        files: [.standardPolicy, .fallbackPolicy, .kept, .instance, .types, .namespaces, .gracePeriods],
        related: ["check", "diff", "confirm", "rollback", "log", "status", "show", "detach"],
        reading: [language, changes, trials, refusals, boot])

    private static let confirm = CommandNotes(
        done: "The policy that was on trial is in force, and stays.",
        failed: "No policy is on trial, or another one is, or the trial has ended. Nothing was changed.",
        files: [.kept, .instance, .gracePeriods], related: ["apply", "rollback", "status", "log"],
        reading: [changes, trials])

    private static let rollback = CommandNotes(
        done: "The policy is in force; it may have been so already. Where a policy was on trial: the trial is ended.",
        failed:
            "The generation is not kept, or its policy was refused or could not be loaded. What was in force before"
            + " still is.",
        files: [.instance, .types, .namespaces, .gracePeriods], related: ["log", "apply", "show"],
        reading: [changes])

    private static let log = CommandNotes(
        done: "The list was printed.", failed: notRead, files: [.instance], related: ["rollback", "show", "apply"],
        reading: [changes])

    private static let show = CommandNotes(
        done: "The text was printed.",
        failed: "No policy is in force, the generation is not kept, or a privilege is missing.",
        files: [.instance], related: ["log", "apply", "status"], reading: [operations])

    private static let status = CommandNotes(
        done: "The status was printed, whatever it says. With `--check`: and every port is enforced as intended.",
        failed: notRead,
        notEnforced:
            "With `--check`: the status was printed, and a port is `unfiltered` or `detached`, lacks its XDP program,"
            + " or is a host's and `missing`; or a device that an entry means passes unjudged.",
        files: [.instance, .namespaces], related: ["counters", "apply", "quarantine"],
        reading: [operations])

    private static let counters = CommandNotes(
        done: "The counters were printed. With `--watch`: it was interrupted, or its reader closed the pipe.",
        failed: notRead, files: [.instance], related: ["drops", "flows", "status"], reading: [questions])

    private static let flows = CommandNotes(
        done: "The flows were printed, also if there are none.", failed: notRead, files: [.instance],
        related: ["counters", "explain"], reading: [(path: "policy.md#flows", title: "flows")])

    private static let drops = CommandNotes(
        done: "`--count` events were shown, it was interrupted, or its reader closed the pipe.",
        failed:
            "No policy is in force, four streams run already, a name is unknown, the capture cannot be written, or the"
            + " instance was taken out of the kernel (`detach --all`).",
        files: [.instance], related: ["counters", "explain", "replay"], reading: [questions])

    private static let shadow = CommandNotes(
        done: "`--count` packets were shown, it was interrupted, or its reader closed the pipe; whatever would change.",
        failed:
            "The policy has errors, no policy is in force, another shadow runs, or CAP_SYS_ADMIN is missing. Or another"
            + " policy came into force meanwhile: what was printed until then holds.",
        files: [.instance, .types, .namespaces], related: ["diff", "drops", "apply"], reading: [changes, questions])

    private static let explain = CommandNotes(
        done: "The question was answered, whatever the verdict is.",
        failed:
            "The question has no answer: a port or service is unknown, the policy has errors, or none is in force.",
        files: [.instance, .types, .namespaces], related: ["replay", "drops", "check"], reading: [questions])

    private static let replay = CommandNotes(
        done: "Every packet was judged, whatever the verdicts are.",
        failed: "The capture cannot be read, or only in part, or is not of Ethernet; the port is unknown; the policy"
            + " has errors; or no policy is in force. What was printed until then holds.",
        files: [.instance, .types], related: ["explain", "drops"], reading: [questions])

    private static let quarantine = CommandNotes(
        done: "The port is cut off; it may have been so already.", failed: unchanged, files: [.instance],
        related: ["release", "status", "detach"], reading: [quarantines])

    private static let release = CommandNotes(
        done: "The port is not in quarantine; it may not have been before.", failed: unchanged, files: [.instance],
        related: ["quarantine", "status"], reading: [quarantines])

    private static let detach = CommandNotes(
        done: "The ports are detached; with `--all`, the instance is out of the kernel.",
        failed:
            "Refused: no policy is in force, a port is unknown, or another command changes the instance now. Or the"
            + " kernel failed half-way: `bulkhead status` shows what is left.",
        files: [.instance, .gracePeriods], related: ["apply", "quarantine"],
        reading: [(path: "operations.md#getting-out", title: "getting out")])

    private static let importing = CommandNotes(
        done: "The policy was written, and says all that the rule set does.",
        failed: "A file cannot be read, or is not of the format; the line is named. Nothing was written.",
        different:
            "Something was left out; standard error names each line. The policy was written, but not with `--strict`.",
        files: [], related: ["check", "apply"], reading: [bringing, language])

    private static let schema = CommandNotes(
        done: "The schema was written.", failed: "Standard output cannot be written to.",
        files: [], related: ["check", "import"], reading: [language])

    private static let group = CommandNotes(
        done: "The subcommand did what it was asked to.", failed: unchanged, files: [.instance], related: ["apply"],
        reading: [dynamicGroups, members])

    private static let groupAdd = CommandNotes(
        done: "All of the addresses are members. Those that were before have the new time.", failed: unchanged,
        files: [.instance], related: ["group delete", "group list"], reading: [dynamicGroups, members])

    private static let groupDelete = CommandNotes(
        done: "None of the prefixes is a member. Those that were not before are passed over.", failed: unchanged,
        files: [.instance], related: ["group add", "group flush", "group list"], reading: [dynamicGroups, members])

    private static let groupList = CommandNotes(
        done: "The list was printed.",
        failed: "The group is unknown or not dynamic, no policy is in force, or a privilege is missing.",
        files: [.instance], related: ["group add", "status"], reading: [dynamicGroups, members])

    private static let groupFlush = CommandNotes(
        done: "The group has no members.", failed: unchanged, files: [.instance],
        related: ["group add", "group delete"], reading: [dynamicGroups, members])
}
