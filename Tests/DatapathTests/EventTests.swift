// SPDX-License-Identifier: Apache-2.0
import Compiler
import Host
import Network
import Policy
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized) struct EventTests {
    /// Reads until `enough` holds, or for three seconds.
    private func collect(_ reader: EventReader, until enough: ([Event]) -> Bool) throws -> [Event] {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(3)
        var events: [Event] = []
        try reader.read { batch in
            events += batch
            return !enough(events) && clock.now < end
        }
        return events
    }

    @Test func streamsDropsWithTheirNames() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        policy.rule("no-ping", [.icmp(.v4, type: nil, code: nil)], .drop)
        try policy.apply(lab.instance)
        let reader = try lab.instance.events()
        #expect(try !lab.ping())
        let events = try collect(reader) { $0.contains { $0.reason == .rule } }
        let event = try #require(events.first { $0.reason == .rule })
        #expect(event.port?.name == "guest")
        #expect(event.port?.interface == "tap0")
        #expect(event.port?.namespace == lab.host.name)
        #expect(event.direction == .out)
        #expect(event.verdict == .drop)
        #expect(event.rule?.name == "no-ping")
        #expect(event.source?.file == "policy.yaml")
        #expect(event.source?.line == 20)
        #expect(event.generation == 1)
        #expect(event.packet.source == IPAddress("192.0.2.2"))
        #expect(event.packet.destination == IPAddress("192.0.2.1"))
        #expect(event.packet.type == 8)
        #expect(event.header.count == event.packet.length)
        #expect(event.header.starts(with: event.packet.destinationMAC.bytes + event.packet.sourceMAC.bytes))
        let now = KernelClock.nanoseconds(0)
        #expect(now - event.time < 10_000_000_000)
    }

    @Test func everyReaderSeesWhatItAskedForAndNoMore() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        policy.rule("no-ping", [.icmp(.v4, type: nil, code: nil)], .drop)
        try policy.apply(lab.instance)
        let all = try lab.instance.events()
        let byRule = try lab.instance.events(EventFilter(ports: ["guest"], rules: ["no-ping"]))
        let elsewhere = try lab.instance.events(EventFilter(host: Prefix(parsing: "198.51.100.9")))
        let byDefault = try lab.instance.events(EventFilter(reasons: [.default]))
        let fifth = #expect(throws: DatapathError.self) { try lab.instance.events() }
        #expect(fifth?.message.contains("4 event streams") == true)
        #expect(try lab.instance.status().readers == 4)
        #expect(try !lab.ping())
        #expect(try lab.ping("2001:db8::1") == false)
        let seen = try collect(all) { $0.contains { $0.reason == .rule } && $0.contains { $0.reason == .default } }
        #expect(Set(seen.map(\.reason)).isSuperset(of: [.rule, .default]))
        let narrow = try collect(byRule) { !$0.isEmpty }
        #expect(Set(narrow.map(\.rule?.name)) == ["no-ping"])
        #expect(Set(try collect(byDefault) { !$0.isEmpty }.map(\.reason)) == [.default])
        #expect(try elsewhere.nextBatch() == [])
    }

    @Test func aReaderThatEndsFreesItsSlotAndTheNextGenerationIsNamed() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        try policy.apply(lab.instance)
        for _ in 0..<6 {
            let reader = try lab.instance.events()
            #expect(try lab.instance.status().readers == 1)
            withExtendedLifetime(reader) {}
        }
        #expect(try lab.instance.status().readers == 0)
        let reader = try lab.instance.events()
        policy.rule("stop", [.icmp(.v4, type: nil, code: nil)], .drop)
        try policy.apply(lab.instance)
        #expect(try !lab.ping())
        let events = try collect(reader) { $0.contains { $0.rule?.name == "stop" } }
        #expect(events.contains { $0.rule?.name == "stop" && $0.generation == 2 })
    }

    @Test func whatWasJudgedBeforeASwapIsNamed() throws {
        let lab = try GuestLab()
        var policy = lab.policy
        policy.rule("first", [.icmp(.v4, type: nil, code: nil)], .drop)
        try policy.apply(lab.instance)
        let reader = try lab.instance.events(EventFilter(reasons: [.rule]))
        #expect(try !lab.ping())
        policy.rule("second", [.ports(protocol: 6, destination: [23...23], source: [0...65535])], .drop)
        try policy.apply(lab.instance)
        let events = try collect(reader) { !$0.isEmpty }
        let event = try #require(events.first)
        #expect(event.generation == 1)
        #expect(event.rule?.name == "first")
        #expect(event.port?.name == "guest")
    }

    @Test func countsAddUp() throws {
        let lab = try GuestLab()
        let policy = lab.policy
        try policy.apply(lab.instance)
        #expect(try !lab.ping())
        let reader = try lab.instance.events()
        #expect(try !lab.ping())
        _ = try collect(reader) { !$0.isEmpty }
        let counters = try lab.instance.counters()
        let dropped = counters.ports.reduce(0) { $0 + $1.dropped.packets }
        let events = counters.events
        #expect(dropped > 1)
        #expect(events.emitted > 0)
        #expect(events.emitted + events.suppressed + events.lost == dropped)
    }

    @Test func unknownNamesAreRefused() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        #expect(throws: DatapathError.self) { try lab.instance.events(EventFilter(ports: ["gest"])) }
        #expect(throws: DatapathError.self) { try lab.instance.events(EventFilter(rules: ["ssh"])) }
    }
}
