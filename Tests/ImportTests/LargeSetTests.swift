// SPDX-License-Identifier: Apache-2.0
import Foundation
import Import
import TestSupport
import Testing

/// Rule sets of 5,000 rules are imported whole. How much of one processor's time that takes is printed.
@Suite(.serialized) struct LargeSetTests {
    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        func now() -> Double {
            var time = timespec()
            unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let start = now()
        try body()
        return now() - start
    }

    private static func rules(_ kind: String, _ random: inout RandomNumbers) -> [String] {
        (0..<5000).map { index in
            let address = "10.\(random.number(0...255)).\(random.number(0...255)).\(random.number(0...255))"
            let port = random.number(1...65535)
            let verdict = random.pick(["ACCEPT", "ACCEPT", "DROP", "REJECT"])
            switch kind {
            case "mixed":
                let chain = random.pick(["INPUT", "svc"])
                let comment = index % 4 == 0 ? " -m comment --comment \"rule \(index)\"" : ""
                return
                    "-A \(chain) -s \(address) -p \(random.pick(["tcp", "udp"])) --dport \(port)\(comment)"
                    + " -j \(verdict)"
            case "banned": return "-A INPUT -s \(address) -j DROP"
            case "returning":
                let verdict = index % 50 == 0 ? "RETURN" : verdict
                return "-A svc -s \(address)/24 -p udp --dport \(port) -j \(verdict)"
            case "logged":
                return "-A INPUT -s \(address)/16 -p udp --dport \(port) -m length --length 0:\(index % 900) -j LOG"
            default:
                let way = "-i eth\(random.number(0...3)) -o eth\(random.number(0...3))"
                return
                    "-A FORWARD \(way) -s \(address) -d 10.0.0.0/\(random.number(9...24)) -p tcp --dport \(port)"
                    + " -j ACCEPT"
            }
        }
    }

    @Test(arguments: ["mixed", "banned", "returning", "logged", "forwarded"]) func fiveThousandRules(kind: String)
        throws
    {
        var random = RandomNumbers(seed: 5)
        let first = ["-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -j svc"]
        let text = savedTable(first + Self.rules(kind, &random), chains: ["svc"])
        let took = try Self.seconds {
            let policy = try ImportedPolicy.of([ImportSource(name: "a.v4", text: text)], format: .iptablesSave)
            #expect(policy.text.contains("- { name: "))
        }
        print("import: 5,000 rules, \(kind): \(took) s")
    }

    @Test func setsOfIPv6() throws {
        var random = RandomNumbers(seed: 6)
        var sets = [
            "create bad6 hash:net family inet6 hashsize 1024 maxelem 65536", "create one6 hash:ip family inet6",
        ]
        for _ in 0..<20_000 {
            let word = { String(random.number(0...65535), radix: 16) }
            sets += ["add bad6 2001:db8:\(word()):\(word())::/64", "add one6 2001:db8:\(word())::\(word())"]
        }
        let rules = [
            "-A INPUT -m set --match-set bad6 src -j DROP", "-A INPUT -p udp --dport 9 -j ACCEPT",
            "-A INPUT -m set ! --match-set one6 src -j DROP",
        ]
        let ports = (1...5000).map { "-A INPUT -s 2001:db8:\($0)::/48 -p tcp --dport \($0) -j ACCEPT" }
        let text = savedTable(rules + ports).replacing("iptables-save", with: "ip6tables-save")
        let took = try Self.seconds {
            let sources = [("a.v6", text), ("b.ipset", sets.joined(separator: "\n") + "\n")]
            let policy = try ImportedPolicy.of(
                sources.map { ImportSource(name: $0.0, text: $0.1) }, format: .iptablesSave)
            #expect(policy.text.contains("bad6") && policy.text.contains("one6"))
        }
        print("import: 5,000 rules and sets of 40,000 members of IPv6: \(took) s")
    }
}
