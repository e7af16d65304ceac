// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Datapath

/// `--instance`: which installation of several on one host.
struct InstanceOptions: ParsableArguments {
    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Which of several installations on this host is meant.", valueName: "name"))
    var name = Instance.standardName

    func validate() throws {
        do {
            _ = try Instance(name)
        } catch {
            throw ValidationError("\(error)")
        }
    }
}

/// `--json`: output for machines instead of text.
struct OutputOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Write JSON to standard output instead of text.")
    var isJSON = false
}

/// The policy file that `check` and `apply` read if none is named.
let standardPolicyPath = "/etc/bulkhead/policy.yaml"
