// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

/// `--instance`: which installation of several on one host.
struct InstanceOptions: ParsableArguments {
    @Option(name: .customLong("instance"), help: "Which of several installations on this host.")
    var name = Controller.standardInstance

    func validate() throws {
        do {
            _ = try Controller(instance: name)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    var controller: Controller { get throws { try Controller(instance: name) } }
}

/// `--json`: machine output instead of words.
struct OutputOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Write JSON to standard output.")
    var isJSON = false

    /// Shows a result in the form that was asked for.
    func show(_ json: @autoclosure () -> JSON, or words: @autoclosure () -> Words) throws {
        if isJSON { try StandardOutput.line(json()) } else { try StandardOutput.write(words()) }
    }
}

/// Where `check` and `apply` look for the policy that they are not told.
let standardPolicyPath = "/etc/bulkhead/policy.yaml"
