// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Datapath

/// `--instance`: which installation of several on one host.
struct InstanceOptions: ParsableArguments {
    @Option(name: .customLong("instance"), help: "Which of several installations on this host.")
    var name = Instance.standardName

    func validate() throws {
        do {
            _ = try Instance(name)
        } catch {
            throw ValidationError("\(error)")
        }
    }
}

/// `--json`: machine output instead of words.
struct OutputOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Write JSON to standard output.")
    var isJSON = false
}

/// Where `check` and `apply` look for the policy that they are not told.
let standardPolicyPath = "/etc/bulkhead/policy.yaml"
