// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// Devices that come and go while a policy is on trial: the trial judges them at once, its base after it.
    @Suite(.serialized) struct TrialDeviceTests {
        /// A host whose uplinks `up1*` are one entry. The base accepts port 80, the trial port 81.
        private final class Place {
            let site: UplinksSite
            let listeners: [IPSocket]

            var bulkhead: Bulkhead { site.bulkhead }

            init(hasBase: Bool = true) throws {
                site = try UplinksSite()
                listeners = try [80, 81].map { [site] in try IPSocket.bound(site.host, .tcp, "0.0.0.0", $0) }
                if hasBase { try bulkhead.apply(try policy("base", 80)) }
            }

            func policy(_ name: String, _ port: Int, others: String = "up1*") throws -> String {
                try site.lab.file(
                    "\(name).yaml",
                    """
                    version: 1
                    ports:
                      first: { interface: up0, protects: host }
                      others: { interface: "\(others)", protects: host }
                    rules:
                      - { name: \(name), service: tcp/\(port), direction: in, action: accept }
                    """)
            }

            func tryOut() throws {
                _ = try bulkhead.json(Applied.self, "apply", "--trial", "1h", policy("trial", 81))
            }

            /// Connects an uplink to `net` and its number; the host's end has the address `198.18.NUMBER.2`.
            func plug(_ number: Int) throws {
                try site.lab.veth((site.network, "net\(number)"), (site.host, "up\(number)"))
                try site.lab.address(site.network, "net\(number)", "198.18.\(number).1/24")
                try site.lab.address(site.host, "up\(number)", "198.18.\(number).2/24")
            }

            func unplug(_ number: Int) throws { try site.host.run("ip", "link", "delete", "up\(number)") }

            func take() throws {
                let taken = try bulkhead.run("apply", "--in-force")
                #expect(taken.status == 0, "\(taken)")
            }

            func opens(_ port: UInt16, at number: Int) -> Bool {
                site.network.connects(to: IPAddress("198.18.\(number).2") ?? "0.0.0.0", port)
            }

            func states(_ device: String) throws -> [String] {
                try bulkhead.status().ports.filter { $0.interface == device }.map(\.state)
            }

            func trial() throws -> Int? { try bulkhead.json(Tried.self, "status").trial?.generation }
        }

        @Test(arguments: ["confirm", "rollback", "time"]) func aDeviceThatComesIsJudgedByBoth(_ end: String) throws {
            let place = try Place()
            try place.tryOut()
            try place.plug(17)
            #expect(try place.bulkhead.run("status", "--check").status == 3)
            try place.take()
            #expect(try place.bulkhead.run("status", "--check").status == 0)
            #expect(try place.trial() == 2, "the trial goes on")
            #expect(try place.states("up17") == ["enforcing"])
            #expect(!place.opens(80, at: 17))
            let held = try IPSocket.connected(place.site.network, .tcp, "198.18.17.2", 81)
            let server = try place.listeners[1].accept()
            func passes(_ byte: UInt8) throws -> Bool {
                try held.send([byte])
                return try server.receive(milliseconds: 400) == [byte]
            }
            #expect(try passes(1))
            if end == "time" {
                try place.bulkhead.letTrialEnd()
            } else {
                let ended = try place.bulkhead.run(end)
                #expect(ended.status == 0 && !ended.errors.contains("devices came"), "\(ended)")
            }
            let isKept = end == "confirm"
            #expect(try place.bulkhead.status().generation == (isKept ? 2 : 1))
            #expect(try place.states("up17") == ["enforcing"])
            #expect(place.opens(80, at: 17) != isKept)
            #expect(place.opens(81, at: 17) == isKept)
            #expect(try passes(2) == isKept)
            // After it is settled too.
            if end == "time" { #expect(try place.bulkhead.run("rollback").output.contains("had ended by itself")) }
            #expect(try place.states("up17") == ["enforcing"])
            #expect(place.opens(80, at: 17) != isKept)
            #expect(try place.bulkhead.log().map(\.generation) == [2, 1])
            try place.bulkhead.counters().expectExactAccounting()
        }

        /// A device gets the hooks that either policy asks for, and keeps those of the one that stays.
        @Test(arguments: ["tc", "xdp"]) func eachPolicyHasItsHooks(base: String) throws {
            let place = try Place(hasBase: false)
            func policy(_ name: String, _ port: Int, _ mode: String) throws -> String {
                let path = try place.policy(name, port)
                let text = try String(contentsOfFile: path, encoding: .utf8)
                let others = "\"up1*\", mode: \(mode)"
                return try place.site.lab.file("\(name).yaml", text.replacing("\"up1*\"", with: others))
            }
            try place.bulkhead.apply(try policy("base", 80, base))
            let tried = try policy("trial", 81, base == "tc" ? "xdp" : "tc")
            _ = try place.bulkhead.json(Applied.self, "apply", "--trial", "1h", tried)
            try place.plug(17)
            try place.take()
            #expect(place.opens(81, at: 17))
            #expect(!place.opens(80, at: 17))
            try place.bulkhead.letTrialEnd()
            #expect(place.opens(80, at: 17))
            #expect(!place.opens(81, at: 17))
            #expect(try place.bulkhead.run("rollback").status == 0)
            let port = try place.bulkhead.status().port("others/up17")
            #expect(port.state == "enforcing" && port.hooks.contains("xdp") == (base == "xdp"), "\(port)")
            #expect(place.opens(80, at: 17))
        }

        /// What goes leaves its place to what comes again under its name.
        @Test(arguments: ["confirm", "rollback"]) func aDeviceMayGoAndComeAgain(_ end: String) throws {
            let place = try Place()
            try place.plug(17)
            try place.take()
            #expect(try place.bulkhead.status().generation == 2)
            try place.tryOut()
            #expect(place.opens(81, at: 17))
            for _ in 0..<2 {
                try place.unplug(17)
                #expect(try place.states("up17") == ["missing"])
                try place.plug(17)
                try place.take()
                #expect(try place.states("up17") == ["enforcing"])
                #expect(place.opens(81, at: 17))
                #expect(!place.opens(80, at: 17))
            }
            // One goes for good, and the end of the trial minds as little.
            try place.unplug(1)
            #expect(try place.bulkhead.run(end).status == 0)
            #expect(try place.states("up17") == ["enforcing"])
            #expect(place.opens(end == "confirm" ? 81 : 80, at: 17))
            #expect(!place.opens(end == "confirm" ? 80 : 81, at: 17))
            let policy = try end == "confirm" ? place.policy("trial", 81) : place.policy("base", 80)
            try place.bulkhead.apply(policy)
            #expect(try place.bulkhead.status().ports.map(\.interface).sorted() == ["up0", "up17"])
            #expect(try place.bulkhead.run("status", "--check").status == 0)
        }

        /// Another device has the kernel number of one that is gone.
        @Test func anotherDeviceMayHaveItsNumber() throws {
            let place = try Place()
            try place.plug(17)
            try place.take()
            try place.tryOut()
            let text = try place.site.host.run("ip", "-o", "link", "show", "up17")
            let index = String(text.prefix { $0 != ":" })
            try place.unplug(17)
            try place.site.host.run(
                "ip", "link", "add", "up18", "index", index, "type", "veth", "peer", "name", "net18", "netns",
                place.site.network.name)
            try place.site.host.run("ip", "link", "set", "up18", "up")
            try place.site.network.run("ip", "link", "set", "net18", "up")
            try place.site.lab.address(place.site.network, "net18", "198.18.18.1/24")
            try place.site.lab.address(place.site.host, "up18", "198.18.18.2/24")
            try place.take()
            #expect(try place.states("up18") == ["enforcing"])
            #expect(place.opens(81, at: 18))
            #expect(!place.opens(80, at: 18))
            #expect(try place.bulkhead.run("rollback").status == 0)
            #expect(place.opens(80, at: 18))
            #expect(!place.opens(81, at: 18))
        }

        /// The port's name is cut off, whichever device has it.
        @Test func quarantineHoldsForWhatComesAgain() throws {
            let place = try Place()
            try place.plug(17)
            try place.take()
            #expect(try place.bulkhead.run("quarantine", "others/up17").status == 0)
            try place.tryOut()
            try place.unplug(17)
            try place.plug(17)
            try place.take()
            #expect(try place.states("up17") == ["quarantined"])
            #expect(!place.opens(81, at: 17))
            try place.bulkhead.letTrialEnd()
            #expect(try place.states("up17") == ["quarantined"])
            #expect(!place.opens(80, at: 17))
            #expect(try place.bulkhead.run("release", "others/up17").status == 0)
            // The neighbour has to be found first: nothing was answered until now.
            #expect(poll(seconds: 20) { place.opens(80, at: 17) })
        }

        /// Before a first trial everything passes, and so it does after it, also at what came meanwhile.
        @Test func aFirstTrialLeavesNothing() throws {
            let place = try Place(hasBase: false)
            try place.tryOut()
            try place.plug(17)
            try place.take()
            #expect(place.opens(81, at: 17))
            #expect(!place.opens(80, at: 17))
            try place.bulkhead.letTrialEnd()
            #expect(place.opens(80, at: 17))
            #expect(try place.bulkhead.run("rollback").status == 0)
            #expect(try Shell.check("ls", "/sys/fs/bpf/\(place.bulkhead.instance)/links") == "")
        }

        /// A trial that does not mean a device takes none; its base does, as soon as it is in force again.
        @Test func whatTheTrialDoesNotMeanIsTakenByTheBase() throws {
            let place = try Place()
            let narrow = try place.policy("trial", 81, others: "up1")
            _ = try place.bulkhead.json(Applied.self, "apply", "--trial", "1h", narrow)
            try place.plug(17)
            try place.take()
            #expect(place.opens(80, at: 17) && place.opens(81, at: 17))
            // Nor is it taken with another that the trial means: the base alone would judge it, and open its gate.
            try place.unplug(1)
            try place.plug(1)
            try place.take()
            #expect(!place.opens(80, at: 1) && place.opens(81, at: 1))
            #expect(place.opens(80, at: 17) && place.opens(81, at: 17))
            #expect(try place.states("up17") != ["enforcing"])
            let ended = try place.bulkhead.run("rollback")
            #expect(ended.errors.contains("devices came during the trial: generation 3 has them"), "\(ended)")
            #expect(place.opens(80, at: 17))
            #expect(!place.opens(81, at: 17))
        }

        /// Killed at any moment, taking a device leaves nothing that the next attempt, or the end, cannot cope with.
        @Test func aKilledAttemptIsMadeUpFor() throws {
            let place = try Place()
            try place.tryOut()
            var random = RandomNumbers(seed: 7)
            for number in 13..<19 {
                try place.plug(number)
                let running = try place.bulkhead.start("apply", "--in-force")
                usleep(UInt32.random(in: 1_000...80_000, using: &random))
                running.signal(SIGKILL)
                _ = try running.wait()
                if number % 2 == 0 { try place.unplug(number - 1) }
                try place.take()
                #expect(try place.states("up\(number)") == ["enforcing"])
                #expect(place.opens(81, at: number))
                #expect(!place.opens(80, at: number))
            }
            #expect(try place.bulkhead.run("rollback").status == 0)
            for number in [14, 16, 18] {
                #expect(place.opens(80, at: number))
                #expect(!place.opens(81, at: number))
            }
            try place.bulkhead.counters().expectExactAccounting()
        }
    }
}
