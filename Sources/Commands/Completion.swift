// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

/// Names of a policy, as a shell offers them when a word is completed.
enum CompletedName: Sendable {
    case ports
    case rules
    case services
    /// Dynamic groups.
    case groups
    /// Groups of all kinds, ports, `any` and `host`.
    case ends
    /// Those that the instance remembers.
    case generations
}

extension CompletionKind {
    /// The names of the policy that `--policy` names, of the policy in force, or else of the file that `apply` reads.
    /// Where there is none, or it may not be read, there are no names, and nobody is told.
    static func names(_ kind: CompletedName) -> CompletionKind {
        .custom { words, _, prefix in
            PolicyNames(instance: value(of: "--instance", in: words), policy: value(of: "--policy", in: words))
                .names(kind).filter { $0.hasPrefix(prefix) && isPlain($0) }
        }
    }

    /// Whether no shell takes the name for anything but a word. bash runs `$(...)` in what it is offered, and a device
    /// is called what the root of its network namespace likes. Such a name is left out.
    private static func isPlain(_ name: String) -> Bool {
        name.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte & ~0x20) || "._-/@+".utf8.contains(byte)
        }
    }

    /// The value of an option on a command line that is not finished.
    private static func value(of option: String, in words: [String]) -> String? {
        if let index = words.lastIndex(of: option), index + 1 < words.count { return words[index + 1] }
        return words.last { $0.hasPrefix(option + "=") }.map { String($0.dropFirst(option.count + 1)) }
    }
}

extension PolicyNames {
    fileprivate init(instance: String?, policy: String?) {
        self.init(
            instance: instance ?? Controller.standardInstance, policy: policy, otherwise: standardPolicyPath)
    }

    fileprivate func names(_ kind: CompletedName) -> [String] {
        switch kind {
        case .ports: ports
        case .rules: rules
        case .services: services
        case .groups: dynamicGroups
        case .ends: ends
        case .generations: generations
        }
    }
}
