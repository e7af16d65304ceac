// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// Containers by name and label: a live agent, and an engine that a test makes.
    @Suite(.serialized) struct ContainerTests {
        private final class Site: WorkloadSite {
            let engine: FakeEngine
            let file: String

            init() throws {
                let site = try GuestSite()
                try site.addressGuests()
                engine = try FakeEngine(site.lab, [])
                file = try site.lab.file("workloads.jsonl", "")
                try super.init(site, web: "{ tier: web }", sources: "docker:\(engine.socket)", "file:\(file)")
            }

            func container(
                _ id: String, _ name: String, _ tier: String = "none", other isOther: Bool = false, mac: String? = nil
            ) -> FakeEngine.Container {
                FakeEngine.Container(
                    id: id, name: name, labels: ["tier": tier], namespace: isOther ? site.other : site.guest,
                    mac: mac ?? "\(isOther ? GuestSite.macs.other : GuestSite.macs.guest)",
                    address: isOther ? "198.51.100.11" : "198.51.100.10")
            }
        }

        @Test func aContainerIsNamedAndItsRetagIsInForceWithinASecond() throws {
            let site = try Site()
            #expect(try site.becomes("rest/vm-a", "rest/vm-b"), "\(site.agent.errors)")
            for tier in ["web", "none", "web"] {
                let isInForce = try site.isInForceWithinASecond {
                    try site.engine.set([site.container("aa", "app", tier)], event: "start", of: "aa")
                }
                #expect(isInForce, "\(site.agent.errors)")
                #expect(site.pings(site.site.guest) == (tier == "web"))
            }
            #expect(try site.becomes("web/vm-a", "rest/vm-b"))
            try site.engine.set([], event: "die", of: "aa")
            #expect(try site.becomes("rest/vm-a"))
            #expect(!site.pings(site.site.guest))
        }

        /// An image has labels, and may have so many that nothing can be told of its container.
        @Test func whoCannotBeDescribedIsShut() throws {
            let site = try Site()
            try site.engine.set([site.container("aa", "app", "web")], event: "start", of: "aa")
            #expect(try site.becomes("web/vm-a"), "\(site.agent.errors)")
            #expect(site.pings(site.site.guest))
            let many = String(repeating: "a", count: 17_000)
            try site.engine.set([site.container("aa", "app", many)], event: "update", of: "aa")
            let isRefused = try poll(seconds: 20) {
                try site.site.bulkhead.status().notAdmitted.map(\.workload) == ["app"]
            }
            #expect(isRefused, "\(site.agent.errors)")
            #expect(try site.becomes("web/vm-a"))
            #expect(!site.pings(site.site.guest))
            try site.engine.set([site.container("aa", "app", "web")], event: "update", of: "aa")
            #expect(try poll(seconds: 20) { try site.site.bulkhead.status().notAdmitted.isEmpty })
            #expect(site.pings(site.site.guest))
        }

        @Test func whileTheEngineIsAwayWhatWasKnownHolds() throws {
            let site = try Site()
            try site.engine.set([site.container("aa", "app", "web")], event: "start", of: "aa")
            #expect(try site.becomes("web/vm-a"), "\(site.agent.errors)")
            site.engine.stop()
            #expect(
                poll(seconds: 20) { site.agent.errors.contains("what it said before holds") }, "\(site.agent.errors)")
            #expect(site.pings(site.site.guest))
            #expect(try site.becomes("web/vm-a"))
            // What happens meanwhile is learned when it is back, without an event.
            try site.engine.set([site.container("aa", "app"), site.container("bb", "db-1", other: true)])
            try site.engine.start()
            #expect(try site.becomes("rest/vm-a", "db/vm-b"), "\(site.agent.errors)")
            #expect(site.agent.errors.contains("answers again"))
            // Garbage is told, and the next stream is followed.
            try site.engine.tell("garbage")
            #expect(poll(seconds: 20) { site.agent.errors.contains("not what the engine's documentation says") })
            try site.engine.set([site.container("aa", "app", "web")])
            #expect(try site.becomes("web/vm-a", "rest/vm-b"), "\(site.agent.errors)")
        }

        /// What one source says leaves what another said; and a MAC address is one guest's, whoever says so.
        @Test func sourcesStandBesideEachOther() throws {
            let site = try Site()
            try site.engine.set([site.container("aa", "app", "web")], event: "start", of: "aa")
            #expect(try site.becomes("web/vm-a"), "\(site.agent.errors)")
            let line = { (mac: String) in
                "{\"add\": {\"name\": \"db-1\", \"interfaces\": [{\"device\": \"vm-b\", \"mac\": \"\(mac)\"}]}}\n"
            }
            try Data(line("\(GuestSite.macs.other)").utf8).write(to: URL(filePath: site.file), options: .atomic)
            #expect(try site.becomes("web/vm-a", "db/vm-b"), "\(site.agent.errors)")
            try Data(line("\(GuestSite.macs.guest)").utf8).write(to: URL(filePath: site.file), options: .atomic)
            let isRefused = try poll(seconds: 20) {
                try site.site.bulkhead.status().notAdmitted.map(\.workload) == ["db-1"]
            }
            #expect(isRefused, "\(site.agent.errors)")
            #expect(site.pings(site.site.guest))
            try Data().write(to: URL(filePath: site.file), options: .atomic)
            #expect(try site.becomes("web/vm-a", "rest/vm-b"), "\(site.agent.errors)")
        }

        /// A socket that somebody else could have made, or did make, is not asked.
        @Test func whoStandsInForTheEngineIsNotBelieved() throws {
            let site = try Site()
            try site.engine.set([site.container("aa", "app", "web")])
            #expect(unsafe chown(site.engine.socket, 65534, 65534) == 0)
            site.engine.stop()
            let folder = try site.site.lab.folder("theirs")
            #expect(unsafe chown(folder, 65534, 65534) == 0)
            let theirs = try Command([
                "python3", "-c",
                """
                import os, socket, sys, time
                os.setgid(65534)
                os.setuid(65534)
                server = socket.socket(socket.AF_UNIX)
                server.bind(sys.argv[1])
                server.listen()
                time.sleep(600)
                """, "\(folder)/engine.sock",
            ])
            defer { theirs.signal(SIGKILL) }
            try #require(poll(seconds: 10) { FileManager.default.fileExists(atPath: "\(folder)/engine.sock") })
            #expect(
                poll(seconds: 20) { site.agent.errors.contains("belongs to another user than root") },
                "\(site.agent.errors)")
            // Also where the socket was taken for root's.
            #expect(unsafe chown("\(folder)/engine.sock", 0, 0) == 0)
            #expect(unsafe rename("\(folder)/engine.sock", site.engine.socket) == 0)
            #expect(
                poll(seconds: 20) { site.agent.errors.contains("served by another user") }, "\(site.agent.errors)")
        }
    }
}
