import ArgumentParser

/// `--instance`: which installation of several on one host.
struct InstanceOptions: ParsableArguments {
    @Option(name: .customLong("instance"), help: "Which of several installations on this host.")
    var name = "bulkhead"

    func validate() throws {
        let isName = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || [45, 46, 95].contains(byte)
        }
        guard isName, (1...64).contains(name.utf8.count), name != ".", name != ".." else {
            throw ValidationError(
                "'\(name)' is no instance name: 1 to 64 letters, digits, '.', '_' or '-', such as 'bulkhead'")
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
