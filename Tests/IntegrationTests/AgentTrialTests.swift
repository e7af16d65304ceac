// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension Integration {
    /// The agent while a policy is on trial.
    @Suite(.serialized) struct AgentTrialTests {
        private func tryOut(_ site: AgentSite, _ keys: String) throws {
            let tried = try site.policy(keys, name: "tried.yaml")
            _ = try site.bulkhead.json(Applied.self, "apply", "--trial", "1h", tried)
        }

        /// What comes is judged, the trial goes on, and how it ends does not matter.
        @Test(arguments: ["confirm", "rollback", "time"]) func whatComesIsTakenAtOnce(_ end: String) throws {
            let site = try AgentSite()
            let policy = try site.policy("gate: nft")
            try site.bulkhead.apply(policy)
            let agent = try site.start(policy)
            try tryOut(site, "gate: nft, maxFlows: 100")
            try site.plug("vm-c")
            #expect(try site.isEnforced("vm-c"), "\(agent.errors)")
            #expect(site.logs("came: guests/vm-c"), "\(agent.errors)")
            #expect(try site.bulkhead.json(Tried.self, "status").trial?.generation == 2)
            let isOpen = try poll(seconds: 20) { try site.bulkhead.run("status", "--check").status == 0 }
            #expect(isOpen, "the gate is not open for it: \(agent.errors)")
            if end == "time" {
                try site.bulkhead.letTrialEnd()
            } else {
                #expect(try site.bulkhead.run(end).status == 0)
            }
            #expect(try site.bulkhead.status().generation == (end == "confirm" ? 2 : 1))
            #expect(try site.bulkhead.status().port("guests/vm-c").state == "enforcing")
            // What goes is seen as ever once the trial is settled, which the agent does where nobody did.
            try site.unplug("vm-c")
            let isGone = try poll(seconds: 20) { try !site.bulkhead.status().ports.map(\.interface).contains("vm-c") }
            #expect(isGone, "\(agent.errors)")
            #expect(try site.bulkhead.run("status", "--check").status == 0)
        }

        /// A program that is taken off during a trial is put back at once.
        @Test func whatIsBrokenMeanwhileIsRepaired() throws {
            let site = try AgentSite()
            let policy = try site.policy()
            try site.bulkhead.apply(policy)
            let agent = try site.start(policy)
            try tryOut(site, "maxFlows: 100")
            #expect(site.logs("a policy is on trial"), "\(agent.errors)")
            try site.bulkhead.takeOffEgress(of: "vm-a")
            #expect(try site.isEnforced("vm-a"), "\(agent.errors)")
            #expect(try site.bulkhead.status().generation == 2)
            try site.bulkhead.letTrialEnd()
            #expect(try site.isEnforced("vm-a"), "\(agent.errors)")
            #expect(!agent.errors.contains("undid it within a minute"), "\(agent.errors)")
        }
    }
}
