"""The real Argo CD beside a cluster of tests: its application controller and its repo server.

    processes of this machine                 | the cluster
    ------------------------------------------+------------------------------------------
    git daemon <- repo server <- controller --+-> API server: Applications in `argocd`,
      loopback      (helm)          ^         |   and everything that they say
                      `--- Redis ---'         |

They are processes and no pods: the node reaches no registry, so there is no image of Argo CD, and what
they do does not depend on where they run. The repository is fetched over the network, by git's own
protocol, as from any host.
"""
